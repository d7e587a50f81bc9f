import assert from 'node:assert/strict'
import { readdirSync, rmSync, writeFileSync } from 'node:fs'
import { mkdir, mkdtemp } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { s3Anchor } from '#audit/s3-anchor.ts'
import type { Checkpoint } from '#core/checkpoint.ts'
import { Secret } from '#core/secret.ts'
import { createUpstream } from '#http/upstream.ts'
import { verifyAudit } from '../support/audit.ts'
import { startGateway, until } from '../support/gateway.ts'
import { callOnce, runCli } from '../support/process.ts'
import { startBucket, type TestBucket } from '../support/s3.ts'

const ID = 'AKIDEXAMPLE'
const SECRET = 'wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY'

const yaml = (bucket: TestBucket) =>
  `audit: { checkpointSeconds: 1, anchors: { s3: '${bucket.url}/anchors/ostiary', s3Region: eu-central-1, s3AccessKeyId: env:S3_ID, s3SecretAccessKey: env:S3_SECRET } }\n`

/** As `aws s3 sync` does. */
async function copy(bucket: TestBucket, folder: string): Promise<void> {
  await mkdir(folder, { recursive: true })
  for (const [path, text] of bucket.objects) writeFileSync(join(folder, basename(path)), text)
}

test('each checkpoint becomes an object of its own, and a copy of the bucket proves the audit', async t => {
  await using bucket = await startBucket(ID, SECRET)
  const folder = await mkdtemp(join(tmpdir(), 'ostiary-bucket-'))
  t.after(() => rmSync(folder, { recursive: true, force: true }))
  const keys = { S3_ID: ID, S3_SECRET: SECRET }
  for (let start = 0; start < 2; start++) {
    await using gateway = await startGateway({ yaml: yaml(bucket), folder, env: keys })
    const before = bucket.objects.size
    await callOnce(gateway.url, gateway.testKey || (await gateway.liveKey()))
    await until('a checkpoint in the bucket', () => bucket.objects.size > before)
  }
  const names = [...bucket.objects.keys()]
  assert.ok(names.length >= 2 && names.every(name => /^\/anchors\/ostiary\/checkpoint-\d{12}\.json$/.test(name)))
  assert.deepEqual([...new Set(bucket.answered)], [200])
  const env = { OSTIARY_CONFIG: join(folder, 'ostiary.yaml'), OSTIARY_DATA_DIR: join(folder, 'data'), ...keys }
  const copied = join(folder, 'copied')
  await copy(bucket, copied)
  writeFileSync(join(copied, 'notes.txt'), 'not a checkpoint')
  const verified = await verifyAudit(env, '--anchor', copied)
  assert.deepEqual([verified.code, verified.result, verified.findings], [0, 'proved', []])
  // An object that was changed there, and one that the database never had, are told.
  const last = join(
    copied,
    readdirSync(copied)
      .filter(name => name.startsWith('checkpoint-'))
      .sort()
      .at(-1) as string,
  )
  const newest = JSON.parse(bucket.objects.get(names.at(-1) as string) as string)
  writeFileSync(last, JSON.stringify({ ...newest, heads: '{}' }))
  assert.equal((await verifyAudit(env, '--anchor', copied)).result, 'tampered')
  rmSync(copied, { recursive: true })
  await mkdir(copied)
  const empty = await runCli(env, 'audit', 'verify', '--anchor', copied)
  assert.equal(empty.code, 2)
  assert.match(empty.stderr, /holds no checkpoint/)
})

const checkpoint = (seq: number): Checkpoint => ({
  seq,
  at: seq,
  heads: '{}',
  previous: '',
  keyId: 'k',
  signature: 's',
})
const name = (seq: number) => `/b/checkpoint-${String(seq).padStart(12, '0')}.json`
const line = (seq: number) => `${JSON.stringify(checkpoint(seq))}\n`

function anchorAt(t: TestContext, bucket: TestBucket, secret = SECRET) {
  const bounds = { connections: 1, connectTimeoutMs: 2000, timeoutMs: 2000, idleTimeoutMs: 2000 }
  const upstream = createUpstream({ origin: bucket.url, allowPrivateNetwork: false, ...bounds })
  t.after(() => upstream[Symbol.asyncDispose]())
  const troubles: (string | null)[] = []
  const anchor = s3Anchor({
    url: `${bucket.url}/b/`,
    credentials: { region: 'r', accessKeyId: new Secret(ID), secretAccessKey: new Secret(secret) },
    send: upstream.send,
    clock: Date.now,
    onTrouble: error => troubles.push(error === null ? null : String(error)),
  })
  return { anchor, troubles }
}

test('an object whose answer got lost is sent again, found there, and believed', async t => {
  await using bucket = await startBucket(ID, SECRET)
  const { anchor, troubles } = anchorAt(t, bucket)
  let lost = 0
  bucket.after = req => {
    if (lost++ > 0) return false
    req.socket.destroy()
    return true
  }
  for (let seq = 1; seq <= 3; seq++) anchor.add(checkpoint(seq))
  await until('three objects', () => bucket.objects.size === 3)
  await anchor[Symbol.asyncDispose]()
  assert.deepEqual(
    [...bucket.objects],
    [1, 2, 3].map(seq => [name(seq), line(seq)]),
  )
  assert.deepEqual(bucket.answered, [412, 200, 200, 200])
  assert.deepEqual([troubles.length, troubles[1]], [2, null])
})

test('an object of another checkpoint is not overwritten, told of, and the next ones go on', async t => {
  await using bucket = await startBucket(ID, SECRET)
  bucket.objects.set(name(1), 'of another gateway')
  const { anchor, troubles } = anchorAt(t, bucket)
  for (let seq = 1; seq <= 2; seq++) anchor.add(checkpoint(seq))
  await until('the second object', () => bucket.objects.has(name(2)))
  await anchor[Symbol.asyncDispose]()
  assert.equal(bucket.objects.get(name(1)), 'of another gateway')
  assert.equal(bucket.objects.get(name(2)), line(2))
  assert.equal(troubles.length, 1)
  assert.match(String(troubles[0]), /checkpoint-000000000001\.json is in the anchor’s bucket already/)
})

test('a bucket that refuses, redirects or is away keeps all waiting, and says nothing of the secret', async t => {
  await using bucket = await startBucket(ID, SECRET)
  const wrong = anchorAt(t, bucket, 'another secret')
  wrong.anchor.add(checkpoint(1))
  await until('trouble', () => wrong.troubles.length > 0)
  assert.match(String(wrong.troubles[0]), /answered 403/)
  assert.ok(!JSON.stringify(wrong.troubles).includes('another secret'))
  await wrong.anchor[Symbol.asyncDispose]()
  assert.equal(bucket.objects.size, 0)
  const { anchor, troubles } = anchorAt(t, bucket)
  bucket.before = (_req, res) => {
    res.writeHead(307, { location: 'http://127.0.0.1:1/' }).end()
    return true
  }
  anchor.add(checkpoint(1))
  await until('trouble', () => troubles.length > 0)
  bucket.before = () => false
  await until('the object', () => bucket.objects.get(name(1)) === line(1))
  await until('word that it works again', () => troubles.at(-1) === null)
  await anchor[Symbol.asyncDispose]()
})
