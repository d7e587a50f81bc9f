import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { type ChainHead, decisionHash, EMPTY_CHAIN } from '#core/audit-chain.ts'
import type { AdmittedEvent, CallEvent, OstiaryEvent, RefusalsEvent } from '#core/events.ts'
import type { UsageDelta } from '#core/usage-delta.ts'
import type { DecisionRow, EventWriter } from '#store/ports.ts'
import { migrateSqlite, openSqliteStore, startDatabaseThread } from '#store/sqlite/open.ts'
import { createRecorder, type Refusal } from './recorder.ts'

const NOW = 1_800_000_000_000
const BOUND = 5000
const BATCH = 100
const DELAY_MS = 25
const MAX_GROUPS = 1024

function call(id: string, over: Partial<CallEvent> = {}): CallEvent {
  return {
    type: 'call',
    id,
    callerRequestId: null,
    at: NOW,
    worker: 1,
    configGeneration: 1,
    source: '127.0.0.1',
    method: 'POST',
    path: '/v1/chat/completions',
    route: 'openai.chat',
    principal: { kind: 'api_key', id: 'key_1', project: 'proj_default', environment: 'test' },
    credential: 'key_1',
    model: 'm',
    target: null,
    stream: false,
    outcome: 'completed',
    problem: null,
    reason: null,
    status: 200,
    upstreamStatus: 200,
    bytesIn: 1,
    bytesOut: 1,
    durationMs: 1,
    firstByteMs: 1,
    usage: null,
    costNanoUsd: null,
    ...over,
  }
}

function refusal(id: string, over: Partial<Refusal> = {}): Refusal {
  const own = { problem: 'auth.invalid_credential', reason: 'tag', credential: null }
  return { id, at: NOW, source: '127.0.0.1', route: 'openai.chat', ...own, ...over }
}

/** A store that fails on demand, or answers when the test says so; as a real one it knows a row that it has. */
class Rows implements EventWriter {
  readonly ids: string[] = []
  readonly rows: OstiaryEvent[] = []
  readonly batches: number[] = []
  readonly chain: DecisionRow[] = []
  /** Calls and tokens that were added to the roll-ups. */
  metered = 0
  input = 0
  down = false
  /** Writes, but the answer gets lost. */
  deaf = false
  gate: PromiseWithResolvers<void> | null = null

  async head(): Promise<ChainHead> {
    return this.chain.at(-1) ?? EMPTY_CHAIN
  }

  async append(row: DecisionRow, usage: readonly UsageDelta[]): Promise<ChainHead> {
    this.batches.push(row.count)
    await this.gate?.promise
    if (this.down) throw new Error('down')
    const head = await this.head()
    if (row.seq === head.seq + 1 && row.previous === head.hash) {
      this.write(row)
      for (const { requests, input } of usage) {
        this.metered += requests
        this.input += input
      }
    }
    if (this.deaf) throw new Error('answer lost')
    return this.chain[row.seq - 1]?.hash === row.hash ? row : this.head()
  }

  write(row: DecisionRow): void {
    this.chain.push(row)
    for (const line of row.data.split('\n')) {
      const event = JSON.parse(line) as OstiaryEvent
      this.ids.push(event.id)
      this.rows.push(event)
    }
  }

  get refusals(): RefusalsEvent[] {
    return this.rows.filter(event => event.type === 'refusals')
  }
}

function setUp(t: TestContext, mode: 'batched' | 'durable' = 'batched') {
  t.mock.timers.enable({ apis: ['setTimeout'] })
  const rows = new Rows()
  const troubles: unknown[] = []
  const recorder = createRecorder({
    events: rows,
    worker: 7,
    clock: () => NOW,
    mode,
    onTrouble: error => troubles.push(error),
  })
  return { rows, troubles, recorder }
}

/** Lets everything happen that waits for no timer. */
async function settle(): Promise<void> {
  for (let i = 0; i < 5; i++) await new Promise(resolve => setImmediate(resolve))
}

const REFUSALS_DELAY_MS = 5000

async function tick(t: TestContext, ms: number): Promise<void> {
  t.mock.timers.tick(ms)
  await settle()
}

function names(count: number, prefix = 'req'): string[] {
  return Array.from({ length: count }, (_, n) => `${prefix}_${n}`)
}

test('writes in one batch what comes within a short while', async t => {
  const { rows, recorder } = setUp(t)
  for (const id of names(3)) recorder.record(call(id))
  await tick(t, DELAY_MS - 1)
  assert.deepEqual(rows.batches, [])
  await tick(t, 1)
  assert.deepEqual(rows.batches, [3])
  assert.deepEqual(rows.rows[1], call('req_1'))
})

test('writes at once what fills a batch, and the rest soon after', async t => {
  const { rows, recorder } = setUp(t)
  for (const id of names(BATCH + 1)) recorder.record(call(id))
  await settle()
  assert.deepEqual(rows.batches, [BATCH])
  await tick(t, 100)
  assert.deepEqual(rows.batches, [BATCH, 1])
  assert.deepEqual(rows.ids, names(BATCH + 1))
})

test('writes one batch at a time, in order', async t => {
  const { rows, recorder } = setUp(t)
  rows.gate = Promise.withResolvers()
  for (const id of names(3 * BATCH + 1)) recorder.record(call(id))
  await tick(t, 5000)
  assert.deepEqual(rows.batches, [BATCH])
  rows.gate.resolve()
  rows.gate = null
  await settle()
  await tick(t, 100)
  assert.deepEqual(rows.ids, names(3 * BATCH + 1))
})

test('tries again after a failure, with neither loss nor repetition, and tells of it once each way', async t => {
  const { rows, recorder, troubles } = setUp(t)
  rows.down = true
  recorder.record(call('req_0'))
  await tick(t, 100)
  recorder.record(call('req_1'))
  await tick(t, 500)
  await tick(t, 500)
  assert.equal(rows.batches.length, 3)
  assert.equal(troubles.length, 1)
  rows.down = false
  await tick(t, 500)
  assert.deepEqual(rows.ids, ['req_0', 'req_1'])
  assert.deepEqual(troubles.slice(1), [null])
  recorder.record(call('req_2'))
  await tick(t, 100)
  assert.deepEqual(rows.ids, ['req_0', 'req_1', 'req_2'])
})

test('asks a failing store no more often than twice a second, however much comes', async t => {
  const { rows, recorder } = setUp(t)
  rows.down = true
  for (const id of names(BATCH)) recorder.record(call(id))
  await settle()
  for (let i = 0; i < 100; i++) {
    recorder.record(call(`later_${i}`))
    await tick(t, 10)
  }
  assert.ok(rows.batches.length <= 3, `${rows.batches.length} attempts`)
})

test('sends again what was written though the answer got lost; the store keeps one of each', async t => {
  const { rows, recorder } = setUp(t)
  rows.deaf = true
  for (const id of names(3)) recorder.record(call(id))
  await tick(t, 100)
  rows.deaf = false
  await tick(t, 500)
  assert.deepEqual(rows.ids, names(3))
})

test('chains what it writes, each row on the one before', async t => {
  const { rows, recorder } = setUp(t)
  for (const id of names(3 * BATCH)) recorder.record(call(id))
  await settle()
  await settle()
  assert.equal(rows.chain.length, 3)
  for (const [n, row] of rows.chain.entries()) {
    assert.deepEqual([row.chain, row.seq, row.count], ['decisions/7', n + 1, BATCH])
    assert.equal(row.previous, rows.chain[n - 1]?.hash ?? EMPTY_CHAIN.hash)
    assert.equal(row.hash, decisionHash(row.previous, row.chain, row.seq, row))
  }
})

test('goes on behind what a dead predecessor committed late, and loses and doubles nothing', async t => {
  const { rows, recorder, troubles } = setUp(t)
  recorder.record(call('req_0'))
  await tick(t, 100)
  const { seq, hash } = rows.chain[0] as DecisionRow
  const late = { firstAt: 1, lastAt: 2, count: 1, data: JSON.stringify(call('late')) }
  const chain = 'decisions/7'
  rows.write({ chain, seq: seq + 1, previous: hash, hash: decisionHash(hash, chain, seq + 1, late), ...late })
  recorder.record(call('req_1'))
  await tick(t, 100)
  assert.deepEqual([rows.ids, troubles], [['req_0', 'late', 'req_1'], []])
  assert.deepEqual(
    rows.chain.map(row => row.seq),
    [1, 2, 3],
  )
})

test('keeps events as the text that they were when recorded', async t => {
  const { rows, recorder } = setUp(t)
  const event = { ...call('req_0') }
  recorder.record(event)
  Object.assign(event, { status: 500 })
  await tick(t, DELAY_MS)
  assert.deepEqual(rows.rows, [call('req_0')])
})

const admitted = (id: string) => ({ type: 'admitted', id, at: NOW }) as AdmittedEvent
const outcomeOf = (written: Promise<void> | null | undefined) =>
  written?.then(
    () => 'written',
    error => error.code,
  )

test('durable: a call is admitted when its event is written, and those that come meanwhile share the next write', async t => {
  const { rows, recorder } = setUp(t, 'durable')
  rows.gate = Promise.withResolvers()
  const { gate } = rows
  const done: string[] = []
  for (const id of names(300)) void recorder.admit?.(admitted(id)).then(() => done.push(id))
  await settle()
  assert.deepEqual([rows.batches, done], [[1], []])
  rows.gate = Promise.withResolvers()
  gate.resolve()
  await settle()
  assert.deepEqual([rows.batches, done], [[1, 299], ['req_0']])
  rows.gate.resolve()
  await settle()
  assert.deepEqual(done, names(300))
})

test('durable: a known caller’s refusal waits for its event, a stranger’s and a finished call do not', async t => {
  const { rows, recorder } = setUp(t, 'durable')
  rows.gate = Promise.withResolvers()
  const target = { provider: 'p', model: 'm', test: true }
  assert.equal(recorder.record(call('done', { target })), null)
  assert.equal(recorder.record(call('stranger', { principal: null, problem: 'auth.invalid_credential' })), null)
  const refused = outcomeOf(recorder.record(call('refused', { problem: 'model.not_found' })))
  const list = outcomeOf(recorder.record(call('models')))
  rows.gate.resolve()
  assert.deepEqual(await Promise.all([refused, list]), ['written', 'written'])
  assert.deepEqual(rows.ids, ['done', 'refused', 'models'])
})

test('durable: a store that takes nothing admits nobody, at once from the second on, and admits again when it is back', async t => {
  const { rows, recorder, troubles } = setUp(t, 'durable')
  rows.down = true
  assert.equal(await outcomeOf(recorder.admit?.(admitted('req_0'))), 'events.not_recordable')
  assert.equal(await outcomeOf(recorder.admit?.(admitted('req_1'))), 'events.not_recordable')
  assert.equal(rows.batches.length, 1)
  assert.equal(recorder.record(call('req_0', { problem: 'events.not_recordable' })), null, 'nobody waits in vain')
  rows.down = false
  await tick(t, 500)
  assert.equal(await outcomeOf(recorder.admit?.(admitted('req_2'))), 'written')
  assert.equal(troubles.length, 2)
  assert.deepEqual(rows.ids, ['req_0', 'req_1', 'req_0', 'req_2'])
})

test('refuses calls while too many events wait, loses none, and takes calls again once they are written', async t => {
  const { rows, recorder } = setUp(t)
  rows.down = true
  for (const id of names(BOUND - 1)) recorder.record(call(id))
  recorder.ensureRecordable()
  recorder.record(call('last'))
  assert.throws(() => recorder.ensureRecordable(), { name: 'Problem', code: 'events.not_recordable', status: 503 })
  // Calls that had begun before still say how they ended.
  recorder.record(call('running'))
  await tick(t, 1000)
  assert.throws(() => recorder.ensureRecordable(), { code: 'events.not_recordable' })
  rows.down = false
  await tick(t, 500)
  recorder.ensureRecordable()
  await tick(t, 100)
  assert.deepEqual(rows.ids, [...names(BOUND - 1), 'last', 'running'])
})

test('counts the refusals of nobody known per source, route, reason and credential', async t => {
  const { rows, recorder } = setUp(t)
  for (const id of names(5)) recorder.refused(refusal(id, { at: NOW + Number(id.slice(4)) }))
  recorder.refused(refusal('req_a', { source: '127.0.0.2' }))
  recorder.refused(refusal('req_b', { route: null }))
  recorder.refused(refusal('req_c', { reason: 'checksum' }))
  recorder.refused(refusal('req_d', { credential: 'key_1' }))
  recorder.refused(refusal('req_e', { problem: 'auth.missing_credential' }))
  await tick(t, REFUSALS_DELAY_MS)
  await tick(t, 100)
  assert.deepEqual(
    rows.refusals.map(({ count }) => count),
    [5, 1, 1, 1, 1, 1],
  )
  const [{ id = '', ...first } = {}] = rows.refusals
  assert.match(id, /^evt_/)
  assert.deepEqual(first, {
    type: 'refusals',
    at: NOW,
    lastAt: NOW + 4,
    worker: 7,
    source: '127.0.0.1',
    route: 'openai.chat',
    problem: 'auth.invalid_credential',
    reason: 'tag',
    credential: null,
    count: 5,
    samples: ['req_0', 'req_1', 'req_2'],
  })
})

test('counts a call without a principal among the refusals, and writes one with a principal apart', async t => {
  const { rows, recorder } = setUp(t)
  for (const id of names(9)) recorder.record(call(id, { principal: null, problem: 'auth.invalid_credential' }))
  recorder.record(call('known', { problem: 'model.not_found' }))
  await tick(t, REFUSALS_DELAY_MS)
  await tick(t, 100)
  assert.deepEqual(
    rows.rows.map(({ type }) => type),
    ['call', 'refusals'],
  )
  assert.equal(rows.refusals[0]?.count, 9)
})

test('ten thousand sources fill no more rows than the bound and one for the rest, and none goes uncounted', async t => {
  const { rows, recorder } = setUp(t)
  for (const [n, id] of names(10_000).entries()) recorder.refused(refusal(id, { source: `10.0.${n >> 8}.${n & 255}` }))
  await tick(t, REFUSALS_DELAY_MS)
  await tick(t, 100)
  assert.equal(rows.refusals.length, MAX_GROUPS + 1)
  assert.equal(
    rows.refusals.reduce((sum, { count }) => sum + count, 0),
    10_000,
  )
  const rest = rows.refusals.filter(({ source }) => source === '*')
  assert.equal(rest.length, 1)
  assert.deepEqual(
    [rest[0]?.count, rest[0]?.route, rest[0]?.reason, rest[0]?.credential, rest[0]?.samples.length],
    [10_000 - MAX_GROUPS, null, null, null, 3],
  )
})

test('a source counted before the bound was reached goes on being counted by itself', async t => {
  const { rows, recorder } = setUp(t)
  recorder.refused(refusal('first', { source: 'known' }))
  for (const id of names(2000)) recorder.refused(refusal(id, { source: id }))
  recorder.refused(refusal('again', { source: 'known' }))
  await tick(t, REFUSALS_DELAY_MS)
  await tick(t, 100)
  assert.equal(rows.refusals.find(({ source }) => source === 'known')?.count, 2)
})

test('a flood of refusals while the store is down stays bounded and is counted to the end', async t => {
  const { rows, recorder } = setUp(t)
  rows.down = true
  for (const id of names(BOUND)) recorder.record(call(id))
  await settle()
  for (let round = 0; round < 5; round++) {
    for (const id of names(3000, `flood${round}`)) recorder.refused(refusal(id, { source: id }))
    await tick(t, REFUSALS_DELAY_MS)
  }
  rows.down = false
  await tick(t, 500)
  await tick(t, 5000)
  await tick(t, 5000)
  assert.equal(rows.refusals.length, MAX_GROUPS + 1)
  assert.equal(
    rows.refusals.reduce((sum, { count }) => sum + count, 0),
    15_000,
  )
})

test('disposing writes all that waits, refusals included', async t => {
  const { rows, recorder } = setUp(t)
  for (const id of names(1200)) recorder.record(call(id))
  recorder.refused(refusal('refused'))
  await recorder[Symbol.asyncDispose]()
  assert.equal(rows.refusals.length, 1)
  assert.deepEqual(rows.ids.slice(0, 1200), names(1200))
})

for (const count of [BATCH + 1, 2 * BATCH + 1, 3 * BATCH + 1, BOUND - 1]) {
  test(`disposing while a batch is being written loses none of ${count} events`, async t => {
    const { rows, recorder } = setUp(t)
    rows.gate = Promise.withResolvers()
    for (const id of names(count)) recorder.record(call(id))
    recorder.refused(refusal('refused'))
    await settle()
    assert.deepEqual(rows.batches, [BATCH])
    const disposed = recorder[Symbol.asyncDispose]()
    rows.gate.resolve()
    await disposed
    await settle()
    assert.deepEqual(rows.ids.slice(0, count), names(count))
    assert.equal(rows.refusals.length, 1)
  })
}

test('disposing gives up at a store that is down, and says so', async t => {
  const { rows, recorder, troubles } = setUp(t)
  rows.down = true
  recorder.record(call('req_0'))
  await recorder[Symbol.asyncDispose]()
  assert.equal(troubles.length, 1)
  const attempts = rows.batches.length
  await tick(t, 60_000)
  assert.equal(rows.batches.length, attempts, 'nothing runs on after the end')
})

test('with a real store: events come back as they were recorded', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'ostiary-recorder-'))
  const thread = await startDatabaseThread(join(directory, 'ostiary.db'))
  try {
    await migrateSqlite(thread.connect())
    await using store = openSqliteStore(thread.connect())
    const recorder = createRecorder({
      events: store.events,
      worker: 1,
      clock: () => NOW,
      mode: 'batched',
      onTrouble: error => assert.fail(String(error)),
    })
    for (const id of names(1100)) recorder.record(call(id))
    recorder.refused(refusal('refused'))
    await recorder[Symbol.asyncDispose]()
    const events = (await store.events.list({ limit: 2000 })).toReversed()
    assert.equal(events.length, 1101)
    assert.deepEqual(
      events.slice(0, 1100),
      names(1100).map(id => call(id)),
    )
  } finally {
    await thread[Symbol.asyncDispose]()
    rmSync(directory, { recursive: true })
  }
})

test('what calls used is written with their events, each once, however often writing fails', async t => {
  const { rows, recorder } = setUp(t)
  const usage = {
    source: 'provider',
    input: 3,
    cachedInput: 0,
    cacheWrite: 0,
    output: 0,
    reasoning: 0,
    audioInput: 0,
    audioOutput: 0,
    imageInput: 0,
    imageOutput: 0,
  } as const
  rows.down = true
  const ids = names(250)
  for (const id of ids) recorder.record(call(id, { usage, costNanoUsd: 5 }))
  await tick(t, DELAY_MS)
  rows.down = false
  rows.deaf = true
  await tick(t, 500)
  await tick(t, 500)
  rows.deaf = false
  await tick(t, 500)
  for (const id of names(30, 'later')) recorder.record(call(id, { usage, costNanoUsd: 5 }))
  await tick(t, DELAY_MS)
  assert.equal(rows.ids.length, 280)
  assert.deepEqual([rows.metered, rows.input], [280, 840])
  // Refused, counted as nobody's, not metered.
  recorder.record(call('req_x', { principal: null, problem: 'auth.invalid_credential', outcome: 'refused' }))
  await recorder[Symbol.asyncDispose]()
  assert.equal(rows.metered, 280)
})
