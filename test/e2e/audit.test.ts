import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { createHmac, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { readFileSync, statSync, writeFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { createServer, type IncomingHttpHeaders } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { type TestContext, test } from 'node:test'
import { createServer as createTlsServer } from 'node:tls'
import { decisionHash, EMPTY_CHAIN } from '#core/audit-chain.ts'
import { exportAudit, verifyAudit } from '../support/audit.ts'
import { makeCertificate } from '../support/certificate.ts'
import { startGateway, until } from '../support/gateway.ts'
import { askAdmin, callOnce, runCli, takeDatabaseAway } from '../support/process.ts'

const SECRET = `whsec_${randomBytes(32).toString('base64')}`
const wrongModel = { body: '{"model":"nothing","messages":[]}' }

/** What the commands of a gateway's folder need to know. */
const envOf = (gateway: { readonly configFile: string; readonly dataDirectory: string }) => ({
  OSTIARY_CONFIG: gateway.configFile,
  OSTIARY_DATA_DIR: gateway.dataDirectory,
})

test('a stop signs and anchors all that there is; what is edited later is found', async t => {
  const folder = await makeFolder(t)
  const anchor = join(folder, 'anchors.jsonl')
  const gateway = await startGateway({ yaml: `audit: { anchors: { file: ${anchor} } }\n`, folder, workers: 2 })
  for (let n = 0; n < 5; n++) await callOnce(gateway.url, gateway.testKey)
  await callOnce(gateway.url, 'sk_test_nonsense')
  await gateway[Symbol.asyncDispose]()
  assert.equal(statSync(join(gateway.dataDirectory, 'audit-key')).mode & 0o777, 0o600)

  const env = envOf(gateway)
  const verified = await verifyAudit(env, '--anchor', anchor)
  assert.deepEqual([verified.code, verified.result, verified.findings], [0, 'proved', []])
  assert.ok(verified.chains.every(({ unsigned_rows: unsigned }) => unsigned === 0))
  const [first] = readFileSync(anchor, 'utf8').split('\n')
  assert.equal(verified.proved_until, new Date(JSON.parse(first as string).at).toISOString())

  // The key that was noted elsewhere proves the same, another one nothing.
  const { stdout: pem } = await runCli(env, 'audit', 'key')
  writeFileSync(join(folder, 'key.pem'), pem)
  assert.equal((await verifyAudit(env, '--key', join(folder, 'key.pem'))).result, 'consistent')

  using database = new DatabaseSync(join(gateway.dataDirectory, 'ostiary.db'))
  const edit = 'update audit_decisions set data = replace(data, \'"status":200\', \'"status":500\')'
  assert.ok(Number(database.prepare(`${edit} where data like '%"status":200%'`).run().changes) > 0)
  const tampered = await verifyAudit(env, '--anchor', anchor)
  assert.deepEqual([tampered.code, tampered.result], [1, 'tampered'])
  assert.match(tampered.findings[0]?.chain ?? '', /^decisions\//)
  const told = await runCli(env, 'audit', 'verify')
  assert.match(told.stdout, /^decisions\/\d \d+, audit_decisions \(decisions\/\d, \d+\): was edited/)
  assert.match(told.stdout, /NOT as it was written/)
})

test('wrong input to audit commands is wrong usage', async t => {
  const folder = await makeFolder(t)
  const gateway = await startGateway({ folder, yaml: '{}\n' })
  await gateway[Symbol.asyncDispose]()
  writeFileSync(join(folder, 'no-key.pem'), 'nothing')
  for (const args of [
    ['verify', '--anchor', join(folder, 'none')],
    ['verify', '--key', join(folder, 'none')],
    ['verify', '--key', join(folder, 'no-key.pem')],
    ['verify', '--what'],
    ['tail', '--count', 'many'],
    ['export', '--format', 'xml'],
    ['export', '--from', 'yesterday'],
    ['export', '--to', '2026-01-01', '--to', '2026-01-02'],
    ['export', '--to', 'tls://h:1'],
    ['export', '--format', 'syslog', '--to', 'tls://h'],
    ['export', '--ca', 'x'],
  ]) {
    const { code, stderr } = await runCli(envOf(gateway), 'audit', ...args)
    assert.deepEqual([args.join(' '), code], [args.join(' '), 2], stderr)
  }
  assert.equal((await runCli(envOf(gateway), 'audit', 'unknown')).code, 2)
  assert.equal((await runCli({ ...envOf(gateway), OSTIARY_DATA_DIR: folder }, 'audit', 'verify')).code, 1)
})

test('checkpoints go to the webhook in order, signed, and again until they are taken', async t => {
  const got: { headers: IncomingHttpHeaders; body: string }[] = []
  const answers = [500, 301, 200]
  const receiver = createServer((req, res) => {
    let body = ''
    req.setEncoding('utf8').on('data', text => (body += text))
    req.on('end', () => {
      got.push({ headers: req.headers, body })
      res.writeHead(answers[Math.min(got.length, answers.length) - 1] as number, { location: '/elsewhere' }).end('ok')
    })
  }).listen(0, '127.0.0.1')
  await once(receiver, 'listening')
  t.after(() => receiver.close())
  const url = `http://127.0.0.1:${(receiver.address() as AddressInfo).port}/anchors`
  await using gateway = await startGateway({
    yaml: `audit: { checkpointSeconds: 1, anchors: { webhook: '${url}', webhookSecret: env:ANCHOR_SECRET } }\n`,
    env: { ANCHOR_SECRET: SECRET },
  })
  await until('three tries and the next checkpoint', async () => {
    await callOnce(gateway.url, gateway.testKey)
    return got.length >= 4
  })
  const seqs = got.map(({ body }) => JSON.parse(body).data.seq)
  assert.deepEqual(seqs.slice(0, 4), [1, 1, 1, 2])
  for (const { headers, body } of got) {
    const key = Buffer.from(SECRET.slice(6), 'base64')
    const signed = `${headers['webhook-id']}.${headers['webhook-timestamp']}.${body}`
    assert.equal(headers['webhook-signature'], `v1,${createHmac('sha256', key).update(signed).digest('base64')}`)
    assert.ok(Math.abs(Number(headers['webhook-timestamp']) - Date.now() / 1000) < 60)
  }
  assert.equal(
    new Set(got.slice(0, 3).map(({ headers }) => headers['webhook-id'])).size,
    1,
    'one id for one checkpoint',
  )
})

test('durable: calls are refused, not done, while the store cannot commit, and the caller is told why', async () => {
  await using gateway = await startGateway({ yaml: 'audit: { mode: durable }\n' })
  const { url, testKey, ostiary } = gateway
  const { id } = await callOnce(url, testKey)
  const events = await exportAudit(envOf(gateway))
  const [admitted] = events.filter(event => event.id === id)
  assert.equal(admitted?.type, 'admitted')
  assert.equal((await callOnce(url, testKey, wrongModel)).status, 404)
  const giveBack = await takeDatabaseAway(ostiary)
  for (const options of [{}, wrongModel]) {
    const refused = await callOnce(url, testKey, options)
    assert.deepEqual([refused.status, JSON.parse(refused.text).error.code], [503, 'events.not_recordable'])
  }
  giveBack()
  await until('service', async () => (await callOnce(url, testKey)).status === 200)
})

test('events are listed online, page by page, with filters, and to operators of the whole gateway only', async () => {
  await using gateway = await startGateway()
  const ids: string[] = []
  for (let n = 0; n < 7; n++) ids.push((await callOnce(gateway.url, gateway.testKey)).id)
  ids.push((await callOnce(gateway.url, gateway.testKey, wrongModel)).id)
  await gateway.events(8)
  type Page = { events: Record<string, unknown>[]; next: string | null }
  const page = async (query: string) => (await askAdmin(gateway, `/api/audit/events?${query}`)).json as unknown as Page
  const listed: unknown[] = []
  for (let next: string | null = ''; next !== null; ) {
    const answer: Page = await page(`limit=3&type=call${next && `&after=${next}`}`)
    listed.push(...answer.events.map(event => event.id))
    next = answer.next
  }
  assert.deepEqual(listed.toReversed(), ids)
  const [refused, ...others] = (await page('outcome=refused')).events
  assert.deepEqual([refused?.id, refused?.problem, others], [ids[7], 'model.not_found', []])
  assert.match(String(refused?.at), /^\d{4}-\d\d-\d\dT.*Z$/)
  const { credential } = refused as { credential: string }
  const ofKey = (await page(`key=${credential}`)).events
  assert.deepEqual(new Set(ofKey.map(({ type }) => type)), new Set(['call', 'key.created']))
  assert.deepEqual((await page('project=prj_none')).events, [])
  assert.deepEqual((await page('to=2020-01-01T00:00:00Z')).events, [])
  for (const wrong of ['after=x', 'limit=0', 'limit=1001', 'from=yesterday', 'what=1', 'from=2026-99-99T00:00:00Z']) {
    assert.equal((await askAdmin(gateway, `/api/audit/events?${wrong}`)).status, 400, wrong)
  }
})

test('tail follows what happens, in chains that begin meanwhile too', async t => {
  await using gateway = await startGateway()
  const env = { ...envOf(gateway), PATH: process.env.PATH ?? '' }
  const child = spawn(process.execPath, ['src/main.ts', 'audit', 'tail', '--follow', '--json', '--count', '1'], { env })
  t.after(() => child.kill('SIGKILL'))
  let output = ''
  child.stdout.setEncoding('utf8').on('data', text => {
    output += text
  })
  await until('the newest event', () => output.includes('gateway.started'))
  const { id } = await callOnce(gateway.url, gateway.testKey)
  await until('the call', () => output.includes(id))
  await gateway.liveKey()
  await until('the new key', () => output.includes('key.created'))
  const types = output
    .trimEnd()
    .split('\n')
    .map(line => JSON.parse(line).type)
  assert.deepEqual(types, ['gateway.started', 'call', 'key.created'])
})

test('what is older than is kept is pruned, on record, and the rest verifies', async t => {
  const folder = await makeFolder(t)
  const first = await startGateway({ folder, yaml: '{}\n' })
  for (let n = 0; n < 3; n++) {
    await callOnce(first.url, first.testKey)
    await first.events(n + 1)
  }
  await first[Symbol.asyncDispose]()
  const { file, rows } = ageDecisions(first.dataDirectory)
  assert.ok(rows >= 3)
  await using second = await startGateway({ folder, yaml: 'audit: { retentionDays: 30 }\n' })
  await until(
    'the pruning',
    async () => (await second.ostiary.store.events.list({ limit: 1, type: 'audit.pruned' }))[0],
  )
  using database = new DatabaseSync(file, { readOnly: true })
  assert.equal(database.prepare('select count(*) as n from audit_decisions').get()?.n, 1)
  const verified = await verifyAudit(envOf(second))
  assert.deepEqual([verified.code, verified.findings], [0, []])
})

test('exports go to syslog over TLS, framed by length, to a receiver that proves its name', async t => {
  const folder = await makeFolder(t)
  const { key, cert } = makeCertificate(folder, 'localhost')
  let received: Buffer = Buffer.alloc(0)
  const receiver = createTlsServer({ key, cert }, socket => {
    socket.on('data', (chunk: Buffer) => {
      received = Buffer.concat([received, chunk])
    })
    socket.on('error', () => {})
  })
  receiver.on('tlsClientError', () => {})
  receiver.listen(0, 'localhost')
  await once(receiver, 'listening')
  t.after(() => receiver.close())
  const { port } = receiver.address() as AddressInfo
  await using gateway = await startGateway()
  await callOnce(gateway.url, gateway.testKey)
  await gateway.events(1)
  const args = ['audit', 'export', '--format', 'syslog', '--to', `tls://localhost:${port}`]
  const untrusted = await runCli(envOf(gateway), ...args)
  assert.deepEqual([untrusted.code, received.length], [1, 0])
  assert.match(untrusted.stderr, /cli\.destination_failed/)
  const sent = await runCli(envOf(gateway), ...args, '--ca', join(folder, 'cert.pem'))
  assert.equal(sent.code, 0, sent.stderr)
  const messages = unframe(received)
  const events = await exportAudit(envOf(gateway))
  assert.deepEqual(
    messages.map(message => JSON.parse(message.slice(message.indexOf('\ufeff') + 1))),
    events,
  )
  const head = /^<1(?:08|09|10)>1 \d{4}-\d\d-\d\dT[\d:.]+Z [\x21-\x7e]+ ostiary - [a-z_.]+ - \ufeff\{/
  for (const message of messages) assert.match(message, head)
})

/** RFC 6587 §3.4.1. */
function unframe(bytes: Buffer): string[] {
  const messages: string[] = []
  for (let at = 0; at < bytes.length; ) {
    const space = bytes.indexOf(' ', at)
    const length = Number(bytes.toString('latin1', at, space))
    messages.push(bytes.toString('utf8', space + 1, space + 1 + length))
    at = space + 1 + length
  }
  return messages
}

test('the key that signs is in no file of the database', async () => {
  await using gateway = await startGateway()
  const pem = readFileSync(join(gateway.dataDirectory, 'audit-key'), 'utf8')
  const secret = Buffer.from(pem.split('\n').slice(1, -2).join(''), 'base64').subarray(-32)
  assert.equal(secret.length, 32)
  for (const name of ['ostiary.db', 'ostiary.db-wal']) {
    assert.ok(!readFileSync(join(gateway.dataDirectory, name)).includes(secret), name)
  }
})

async function makeFolder(t: TestContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'ostiary-audit-'))
  t.after(() => rm(folder, { recursive: true, force: true }))
  return folder
}

/** Has every batch be 400 days old, as a gateway of that time would have written it. */
function ageDecisions(dataDirectory: string): { readonly file: string; readonly rows: number } {
  const file = join(dataDirectory, 'ostiary.db')
  using database = new DatabaseSync(file)
  const update = database.prepare(
    'update audit_decisions set first_at = ?, last_at = ?, hash = ? where chain = ? and seq = ?',
  )
  const rows = database.prepare('select * from audit_decisions order by chain, seq').all() as unknown as AgedRow[]
  let previous = EMPTY_CHAIN.hash
  for (const { chain, seq, first_at, last_at, count, data } of rows) {
    const [firstAt, lastAt] = [first_at - 400 * DAY_MS, last_at - 400 * DAY_MS]
    previous = decisionHash(seq === 1 ? EMPTY_CHAIN.hash : previous, chain, seq, { firstAt, lastAt, count, data })
    update.run(firstAt, lastAt, previous, chain, seq)
  }
  database.exec('delete from audit_checkpoints')
  return { file, rows: rows.length }
}

const DAY_MS = 86_400_000

interface AgedRow {
  readonly chain: string
  readonly seq: number
  readonly first_at: number
  readonly last_at: number
  readonly count: number
  readonly data: string
}
