import assert from 'node:assert/strict'
import { execFileSync, spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { Agent } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { createRecorder } from '#audit/recorder.ts'
import { internalActor } from '#core/actor.ts'
import { EMPTY_CHAIN } from '#core/audit-chain.ts'
import type { CallEvent, OstiaryEvent } from '#core/events.ts'
import { Problem } from '#core/problems.ts'
import { createKeyFormat } from '#keys/format.ts'
import { type Gateway, startGateway, until } from '../support/gateway.ts'
import { askAdmin, callOnce, callOver, startLoad, takeDatabaseAway } from '../support/process.ts'
import { endings, measureEndings } from '../support/revocations.ts'

const REVOCATIONS = 100
const FLOOD = 3000

async function callEvents({ ostiary }: Gateway): Promise<CallEvent[]> {
  return (await ostiary.store.events.list({ limit: 200_000, type: 'call' })) as CallEvent[]
}

async function mintTestKey(gateway: Gateway): Promise<{ readonly id: string; readonly secret: string }> {
  const { record, secret } = await gateway.ostiary.keys.mint(
    { name: 'a key', environment: 'test' },
    internalActor('test'),
  )
  return { id: record.id, secret: secret.reveal() }
}

test(`${REVOCATIONS} revocations each reach every worker within the bound`, async t => {
  await using gateway = await startGateway({ workers: 2 })
  const { worstMs, stale } = await measureEndings(gateway, REVOCATIONS, [endings.revoke])
  t.diagnostic(
    `slowest from request to refusal everywhere: ${worstMs.toFixed(1)} ms; ${stale} calls accepted after the answer`,
  )
})

test('while another process holds the database, calls go on and minting gets 503; afterwards nothing is missing', async () => {
  await using gateway = await startGateway()
  const { url, testKey, ostiary } = gateway
  const stranger = await mintTestKey(gateway)
  assert.equal((await callOnce(url, testKey)).status, 200)
  const holder = await holdDatabase(ostiary.dataDirectory.database)
  await using load = startLoad(url, testKey, 2, { headers: { 'x-ostiary-sandbox': 'latency=20' } })

  // The log of SQLite lets others read meanwhile.
  assert.equal((await callOnce(url, stranger.secret)).status, 200)
  for (const [path, body] of [
    ['/api/keys', { name: 'meanwhile' }],
    [`/api/keys/${stranger.id}/revoke`, {}],
  ] as const) {
    const asked = performance.now()
    const { status, json } = await askAdmin(gateway, path, body)
    assert.deepEqual([status, json.code], [503, 'store.unavailable'])
    assert.ok(performance.now() - asked < 4000, 'within its bound')
  }
  assert.equal((await callOnce(url, stranger.secret)).status, 200, 'what was answered 503 was not done')
  holder.kill('SIGKILL')
  await once(holder, 'exit')
  await until('minting', async () => (await askAdmin(gateway, '/api/keys', { name: 'afterwards' })).status === 201)
  assert.equal((await askAdmin(gateway, `/api/keys/${stranger.id}/revoke`, {})).status, 200)
  await until('the refusal', async () => (await callOnce(url, stranger.secret)).status === 401)
  await load.stop()
  assert.deepEqual(Object.keys(load.statuses()), ['200'])
  const ids = load.lines.flatMap(line => line.ids)
  await until('the events that waited', async () => {
    const written = (await callEvents(gateway)).map(({ id }) => id)
    return ids.every(id => written.includes(id))
  })
  const { keys } = (await askAdmin(gateway, '/api/keys')).json as { keys: { name: string }[] }
  assert.ok(keys.every(({ name }) => name !== 'meanwhile'))
})

/** A process that holds the write lock until it dies. */
async function holdDatabase(file: string) {
  const program = `
    import { DatabaseSync } from 'node:sqlite'
    globalThis.database = new DatabaseSync(${JSON.stringify(file)}, { timeout: 5000 })
    database.exec('begin exclusive')
    console.log('held')
    setInterval(() => {}, 1000)`
  const holder = spawn(process.execPath, ['--input-type=module', '-e', program], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  after(() => holder.kill('SIGKILL'))
  await once(holder.stdout, 'data')
  return holder
}

test('on a full disk calls go on until 5000 events wait, then get 503 until there is room; no event is lost', async t => {
  const folder = mkdtempSync(join(tmpdir(), 'ostiary-full-'))
  const data = join(folder, 'data')
  mkdirSync(data)
  const mounted = mountSmallDisk(data)
  t.after(() => {
    if (mounted) execFileSync('umount', [data])
    rmSync(folder, { recursive: true, force: true })
  })
  if (!mounted) {
    assert.notEqual(process.env.CI, 'true', 'CI must be able to mount a tmpfs')
    return t.skip('needs root on Linux for a small tmpfs')
  }
  await using gateway = await startGateway({ folder, yaml: '{}\n' })
  const { url, testKey } = gateway
  const answered = [(await callOnce(url, testKey)).id]
  const ballast = join(data, 'ballast')
  assert.throws(() => writeFileSync(ballast, Buffer.alloc(48 * 2 ** 20)), { code: 'ENOSPC' })

  await using load = startLoad(url, testKey, 6)
  await until('refusals', () => load.statuses()[503] !== undefined, 30_000)
  await load.stop()
  answered.push(...load.lines.flatMap(({ ids }) => ids))
  const served = load.statuses()[200] ?? 0
  assert.deepEqual(load.problems(), ['events.not_recordable'])
  assert.ok(served >= 4990 && served < 8000, `${served} calls were served`)
  assert.equal((await callOnce(url, `${testKey}x`)).status, 401, 'a refusal needs no record of its own')
  const refused = await callOnce(url, testKey)
  assert.deepEqual([refused.status, JSON.parse(refused.text).error.code], [503, 'events.not_recordable'])
  assert.equal((await askAdmin(gateway, '/api/keys', { name: 'no room' })).status, 503)

  rmSync(ballast)
  await until('service', async () => (await callOnce(url, testKey)).status === 200)
  const statusOf = new Map<string, number>()
  await until('the events that waited', async () => {
    for (const { id, status } of await callEvents(gateway)) statusOf.set(id, status)
    return answered.filter(id => statusOf.get(id) === 200).length >= served + 1
  })
  assert.equal((await askAdmin(gateway, '/api/keys', { name: 'room' })).status, 201)
})

function mountSmallDisk(directory: string): boolean {
  if (process.platform !== 'linux' || process.getuid?.() !== 0) return false
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=40m', 'tmpfs', directory], { stdio: 'pipe' })
    return true
  } catch {
    return false
  }
}

test('calls that are refused for want of recording do not fill the memory with their own events', async () => {
  const store = { works: false, written: [] as OstiaryEvent[] }
  await using recorder = createRecorder({
    events: {
      head: async () => EMPTY_CHAIN,
      async append(row) {
        if (!store.works) throw new Problem('store.unavailable')
        store.written.push(...row.data.split('\n').map(line => JSON.parse(line)))
        return row
      },
    },
    worker: 1,
    clock: () => 0,
    mode: 'batched',
    onTrouble: () => {},
  })
  const known = {
    type: 'call',
    at: 0,
    source: '127.0.0.1',
    principal: { id: 'key_1' },
    credential: 'key_1',
    target: null,
  }
  const record = (id: string, members: Partial<CallEvent>) =>
    recorder.record({ ...known, id, outcome: 'refused', problem: null, ...members } as CallEvent)
  for (let n = 0; n < 5000; n++) record(`done_${n}`, { outcome: 'completed', target: {} as CallEvent['target'] })
  assert.throws(() => recorder.ensureRecordable(), { code: 'events.not_recordable' })
  for (let n = 0; n < 10_000; n++) {
    record(`refused_${n}`, { problem: 'events.not_recordable' })
    // Somebody whose key the store can no longer confirm.
    record(`failed_${n}`, { problem: 'store.unavailable', outcome: 'failed', principal: null, credential: null })
  }
  store.works = true
  await recorder[Symbol.asyncDispose]()
  const done = store.written.filter(({ id }) => id.startsWith('done_'))
  assert.equal(done.length, 5000)
  assert.ok(store.written.length < 5100, `${store.written.length} events waited`)
  const counted = store.written.reduce((sum, found) => sum + (found.type === 'refusals' ? found.count : 0), 0)
  assert.equal(counted, 20_000, 'they are counted all the same')
})

test('a flood of made-up keys never asks the store, and leaves a handful of rows', async t => {
  // None is held back: all are to be checked.
  await using gateway = await startGateway({
    workers: 2,
    env: { OSTIARY_OVERLOAD_MAX_FAILURES_PER_SECOND: '1000000' },
  })
  const { url, testKey, ostiary } = gateway
  // All but the tag is right, and that is made under another secret.
  const forger = createKeyFormat('sk', randomBytes(32))
  const makers = {
    shape: () => 'sk-proj-0123456789abcdef',
    checksum: () => testKey.slice(0, -6) + randomBytes(3).toString('hex'),
    tag: () => forger.make('live'),
  }
  const giveBack = await takeDatabaseAway(ostiary)
  // Whoever asked the store now would be answered 503.
  const before = performance.now()
  await Promise.all(
    Object.values(makers).map(async make => {
      const agent = new Agent({ keepAlive: true, maxSockets: 1 })
      for (let n = 0; n < FLOOD / 3; n++) assert.equal((await callOver(agent, url, make())).status, 401)
      agent.destroy()
    }),
  )
  const seconds = (performance.now() - before) / 1000
  giveBack()
  await until('the store', () =>
    ostiary.store.ping().then(
      () => true,
      () => false,
    ),
  )
  const rows = await gateway.refusals(FLOOD)
  const counts = new Map<string, number>()
  for (const { reason, count } of rows) counts.set(String(reason), (counts.get(String(reason)) ?? 0) + count)
  assert.deepEqual(Object.fromEntries(counts), { shape: FLOOD / 3, checksum: FLOOD / 3, tag: FLOOD / 3 })
  // One a kind and worker for each two seconds of it.
  const bound = 3 * 2 * (Math.ceil(seconds / 2) + 1)
  assert.ok(rows.length <= bound, `${rows.length} rows, at most ${bound} expected`)
  assert.ok(rows.every(({ samples }) => samples.length <= 3))
  assert.deepEqual(await callEvents(gateway), [])
  t.diagnostic(`${FLOOD} refusals in ${seconds.toFixed(1)} s, ${rows.length} rows`)
})
