import assert from 'node:assert/strict'
import { cpSync, mkdtempSync, readFileSync, rmSync, statSync, truncateSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { exportAudit, verifyAudit } from './audit.ts'
import { until } from './gateway.ts'
import { askAdmin, type Deployment, type Load, startLoad, startProcess } from './process.ts'

/** What a call without an event that was answered may at most be, per worker: one batch in the making, one being written. */
const LOSS_WORKERS = 2
const BATCH_DELAY_MS = 25

interface Killed {
  /** Ids of calls that were answered 200, and those that were refused. */
  readonly answered: string[]
  readonly refused: string[]
  /** Answered within the last `ms` before the kill. */
  lateBy(ms: number): ReadonlySet<string>
}

/** Calls and refusals under way, then `kill -9`. */
async function killUnderCalls(deployment: Deployment, calls: number): Promise<Killed> {
  const env = { OSTIARY_WORKERS: String(LOSS_WORKERS), OSTIARY_LOG_LEVEL: 'fatal' }
  await using gateway = await startProcess(deployment, { env })
  const admin = { adminUrl: gateway.adminUrl, dataDirectory: deployment.dataDirectory }
  const { json } = await askAdmin(admin, '/api/keys', { name: 'audit', environment: 'test' })
  const { secret } = json as { secret: string }
  await using good = startLoad(gateway.url, secret, 6)
  await using bad = startLoad(gateway.url, secret, 2, { body: '{"model":"nothing","messages":[]}' })
  const at = new Map<string, number>()
  const note = () => {
    for (const id of idsOf(good)) if (!at.has(id)) at.set(id, performance.now())
  }
  await until(`${calls} calls`, () => {
    note()
    return idsOf(good).length >= calls && idsOf(bad).length > 20
  })
  note()
  const killedAt = performance.now()
  gateway.kill('SIGKILL')
  await gateway.exited
  await Promise.all([good.stop(), bad.stop()])
  note()
  return {
    answered: idsOf(good),
    refused: idsOf(bad),
    lateBy: ms => new Set([...at].filter(([, seen]) => seen > killedAt - ms).map(([id]) => id)),
  }
}

const idsOf = (load: Load) => load.lines.flatMap(({ ids }) => ids)

/** In the mode `durable` nothing that a caller heard of is without its event, and the chains verify. */
export async function checkDurable(deployment: Deployment, calls: number): Promise<void> {
  const { answered, refused } = await killUnderCalls(deployment, calls)
  const verified = await verifyAudit(deployment.env)
  assert.deepEqual([verified.code, verified.findings], [0, []])
  const events = await exportAudit(deployment.env)
  const admitted = new Set(events.filter(({ type }) => type === 'admitted').map(({ id }) => id))
  const ended = new Set(events.filter(({ type }) => type === 'call').map(({ id }) => id))
  assert.deepEqual(
    answered.filter(id => !admitted.has(id)),
    [],
    'answered, but not on record',
  )
  assert.deepEqual(
    refused.filter(id => !ended.has(id)),
    [],
    'refused, but not on record',
  )
}

/**
 * In the mode `batched` what is lost was answered in the last moment: the batch delay, and as long as a write takes.
 * What this process saw later than that by its own scheduling is given the same again.
 */
export async function checkLossBound(deployment: Deployment, calls: number): Promise<string> {
  const { answered, lateBy } = await killUnderCalls(deployment, calls)
  const verified = await verifyAudit(deployment.env)
  assert.deepEqual([verified.code, verified.findings], [0, []])
  const recorded = new Set((await exportAudit(deployment.env)).map(({ id }) => id))
  const lost = answered.filter(id => !recorded.has(id))
  const late = lateBy(20 * BATCH_DELAY_MS)
  assert.deepEqual(
    lost.filter(id => !late.has(id)),
    [],
    'lost, though answered long before',
  )
  const bound = LOSS_WORKERS * 2 * 100
  assert.ok(lost.length <= bound, `${lost.length} lost, at most ${bound} may be`)
  return `${lost.length} of ${answered.length} calls lost`
}

const WAL_HEADER = 32
const FRAME_HEADER = 24

/**
 * Copies the database while it is written to, cuts the copy's log at frames and between them, and opens what is left:
 * the chains verify, keys and usage agree with their events, and a longer log never has less.
 */
export async function cutLogs(
  deployment: Deployment,
  { copies, cuts }: { readonly copies: number; readonly cuts: number },
): Promise<string> {
  const env = { OSTIARY_WORKERS: '2', OSTIARY_LOG_LEVEL: 'fatal' }
  await using gateway = await startProcess(deployment, { env })
  const admin = { adminUrl: gateway.adminUrl, dataDirectory: deployment.dataDirectory }
  // As long as this reads, nothing later is written back from the log into the file: what is cut off the copy's log is
  // nowhere else, as after a crash in which it had not been synced.
  using reader = new DatabaseSync(join(deployment.dataDirectory, 'ostiary.db'), { readOnly: true })
  reader.exec('begin; select count(*) from keys')
  const from = statSync(join(deployment.dataDirectory, 'ostiary.db-wal')).size
  const minted: string[] = []
  let stopping = false
  const mint = async () => {
    while (!stopping) {
      const { status, json } = await askAdmin(admin, '/api/keys', { name: 'cut', environment: 'test' })
      // On a machine that is busy for seconds the store may answer too late: then nothing was promised.
      if (status === 201) minted.push((json as { key: { id: string } }).key.id)
    }
  }
  const minting = mint()
  await using load = startLoad(gateway.url, gateway.testKey, 4)
  let tried = 0
  try {
    for (let copy = 0; copy < copies; copy++) {
      const before = { keys: minted.length, calls: load.statuses()[200] ?? 0 }
      await until('more of both', () => {
        return minted.length > before.keys + 10 && (load.statuses()[200] ?? 0) > before.calls + 200
      })
      tried += await cutOneCopy(deployment, [...minted], { from, cuts })
    }
  } finally {
    stopping = true
    await minting
  }
  return `${tried} cuts`
}

interface Cuts {
  /** Least length that is left of the log, in bytes. */
  readonly from: number
  readonly cuts: number
}

async function cutOneCopy(deployment: Deployment, minted: readonly string[], wanted: Cuts): Promise<number> {
  const folder = mkdtempSync(join(tmpdir(), 'ostiary-cut-'))
  try {
    const whole = join(folder, 'whole')
    cpSync(deployment.dataDirectory, whole, { recursive: true, filter: name => !/-shm$|cache|lock$/.test(name) })
    const ends = placesToCut(join(whole, 'ostiary.db-wal'), wanted)
    let before = 0
    for (const end of ends) {
      const cut = join(folder, 'cut')
      cpSync(whole, cut, { recursive: true })
      truncateSync(join(cut, 'ostiary.db-wal'), end)
      const { code, findings, events } = await verifyAudit({ ...deployment.env, OSTIARY_DATA_DIR: cut })
      assert.deepEqual([code, findings], [0, []], `cut at ${end}`)
      assert.ok(events >= before, `cut at ${end}: ${events} events, but ${before} where less was left`)
      before = events
      const keys = checkKeys(join(cut, 'ostiary.db'))
      checkUsage(join(cut, 'ostiary.db'))
      // What was answered before the copy was made was synced before it.
      if (end === ends.at(-1)) for (const id of minted) assert.ok(keys.has(id), `${id} was minted and is lost`)
      rmSync(cut, { recursive: true })
    }
    return ends.length
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

/** Ends of frames, and the middles of the frames after them; ascending, the last is the whole log. */
function placesToCut(log: string, { from, cuts }: Cuts): number[] {
  const { size } = statSync(log)
  const frame = FRAME_HEADER + readFileSync(log).readUInt32BE(8)
  const frames = Math.floor((size - WAL_HEADER) / frame)
  const all = Array.from({ length: 2 * frames }, (_, n) => WAL_HEADER + Math.floor((n * frame) / 2))
  const places = all.filter(place => place >= from)
  const step = Math.max(1, Math.ceil(places.length / cuts))
  return [...places.filter((_, n) => n % step === 0), size]
}

/** Every key has its event, and every event its key. */
function checkKeys(file: string): ReadonlySet<string> {
  using database = new DatabaseSync(file)
  const keys = database.prepare('select id from keys').all()
  const created = database.prepare("select data from audit_changes where type = 'key.created'").all()
  const ids = new Set(keys.map(({ id }) => String(id)))
  assert.deepEqual(new Set(created.map(({ data }) => JSON.parse(String(data)).subject)), ids)
  return ids
}

/** The roll-ups count each call whose event is there, once, and no other. */
function checkUsage(file: string): void {
  using database = new DatabaseSync(file)
  const rows = database.prepare('select data from audit_decisions').all()
  const events = rows.flatMap(({ data }) =>
    String(data)
      .split('\n')
      .map(line => JSON.parse(line)),
  )
  const calls = events.filter(({ type, principal }) => type === 'call' && principal !== null)
  const counted = database.prepare('select key_id, sum(requests) as requests from usage_hours group by key_id').all()
  assert.deepEqual(
    new Map(counted.map(({ key_id: key, requests }) => [key, requests])),
    new Map([...Map.groupBy(calls, ({ principal }) => principal.id)].map(([key, group]) => [key, group.length])),
  )
}
