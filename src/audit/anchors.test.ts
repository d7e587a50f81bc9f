import assert from 'node:assert/strict'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import type { Checkpoint } from '#core/checkpoint.ts'
import type { ReplySink, Send } from '#core/exchange.ts'
import { Secret } from '#core/secret.ts'
import { fileAnchor } from './file-anchor.ts'
import { webhookAnchor } from './webhook-anchor.ts'

const BOUND = 1000

const checkpoint = (seq: number): Checkpoint => ({
  seq,
  at: seq,
  heads: '{}',
  previous: '',
  keyId: 'k',
  signature: 's',
})

test('a file that cannot be written gets what waited with the next that it takes, in order', async t => {
  const folder = mkdtempSync(join(tmpdir(), 'ostiary-anchor-'))
  t.after(() => rmSync(folder, { recursive: true }))
  const file = join(folder, 'later', 'anchors.jsonl')
  const troubles: unknown[] = []
  {
    await using anchor = fileAnchor(file, error => troubles.push(error))
    for (let seq = 1; seq <= 3; seq++) anchor.add(checkpoint(seq))
  }
  assert.ok(troubles.length > 0 && !existsSync(file))
  {
    await using anchor = fileAnchor(file, error => troubles.push(error))
    for (let seq = 1; seq <= BOUND + 5; seq++) anchor.add(checkpoint(seq))
    mkdirSync(join(folder, 'later'))
    anchor.add(checkpoint(BOUND + 6))
  }
  const seqs = readFileSync(file, 'utf8')
    .trimEnd()
    .split('\n')
    .map(line => JSON.parse(line).seq as number)
  assert.equal(seqs.at(-1), BOUND + 6)
  assert.deepEqual(
    seqs,
    seqs.toSorted((a, b) => a - b),
  )
  assert.equal(new Set(seqs).size, seqs.length)
})

/** A receiver that answers as told. */
function receiver(t: TestContext, answer: (seq: number, sink: ReplySink) => void) {
  t.mock.timers.enable({ apis: ['setTimeout'] })
  const got: number[] = []
  const troubles: unknown[] = []
  const send: Send = (request, sink) => {
    const { seq } = JSON.parse(String(request.body)).data
    got.push(seq)
    queueMicrotask(() => answer(seq, sink))
    return { resume() {}, abort() {} }
  }
  const anchor = webhookAnchor({
    url: 'https://anchors.example.com/x',
    secret: new Secret(`whsec_${Buffer.alloc(32).toString('base64')}`),
    send,
    clock: () => 1_800_000_000_000,
    onTrouble: error => troubles.push(error),
  })
  return { got, troubles, anchor }
}

const status = (code: number) => (_seq: number, sink: ReplySink) => {
  sink.onHead(code, {})
  sink.onEnd()
}

async function tick(t: TestContext, ms: number): Promise<void> {
  t.mock.timers.tick(ms)
  for (let i = 0; i < 5; i++) await new Promise(resolve => setImmediate(resolve))
}

test('a webhook that is down is asked less and less often, and gets all in order once it is back', async t => {
  let up = false
  const { got, troubles, anchor } = receiver(t, (seq, sink) => {
    if (up) status(204)(seq, sink)
    else sink.onError(new Error('refused'))
  })
  for (let seq = 1; seq <= 3; seq++) anchor.add(checkpoint(seq))
  await tick(t, 0)
  for (let second = 0; second < 60; second++) await tick(t, 1000)
  // At 0, 1, 3, 7, 15, 31 s.
  assert.deepEqual([got, troubles.length], [[1, 1, 1, 1, 1, 1], 1])
  up = true
  await tick(t, 4000)
  assert.deepEqual([got.slice(6), troubles.slice(1)], [[1, 2, 3], [null]])
})

test('a webhook’s backlog is bounded: the oldest is given up', async t => {
  let up = false
  const { got, anchor } = receiver(t, (seq, sink) => {
    if (up) status(200)(seq, sink)
    else sink.onError(new Error('refused'))
  })
  anchor.add(checkpoint(1))
  await tick(t, 0)
  for (let seq = 2; seq <= BOUND + 50; seq++) anchor.add(checkpoint(seq))
  up = true
  await tick(t, 1000)
  for (let i = 0; i < BOUND; i++) await tick(t, 0)
  assert.deepEqual([got[1], got.at(-1), got.length - 1], [51, BOUND + 50, BOUND])
})

test('a webhook that answers 410 is asked no more', async t => {
  const { got, anchor } = receiver(t, status(410))
  anchor.add(checkpoint(1))
  await tick(t, 0)
  anchor.add(checkpoint(2))
  await tick(t, 3_600_000)
  assert.deepEqual(got, [1])
})

test('a stop waits no longer than its bound for a webhook that does not answer', async t => {
  const { got, anchor } = receiver(t, () => {})
  anchor.add(checkpoint(1))
  await tick(t, 0)
  const stopped = anchor[Symbol.asyncDispose]()
  await tick(t, 5000)
  await stopped
  assert.deepEqual(got, [1])
})
