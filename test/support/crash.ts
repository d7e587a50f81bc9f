import assert from 'node:assert/strict'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { lockDirectory } from '#store/sqlite/directory-lock.ts'
import { until } from './gateway.ts'
import { withClient } from './postgres.ts'
import { askAdmin, callOnce, type Deployment, type GatewayProcess, startLoad, startProcess } from './process.ts'

/** A key whose minting was answered. */
interface Minted {
  readonly id: string
  readonly secret: string
  /** Set before the revocation is asked for; null = kept. */
  revocation: 'asked' | 'answered' | null
}

/** What the rounds on one deployment were promised. */
export interface Promised {
  readonly minted: Minted[]
  calls: number
}

const MINTERS = 4
const CALLERS = 4

/**
 * Starts the gateway, mints, calls and revokes at once, and kills it with `kill -9` in the middle, after `mintings`
 * answered mintings. Resolves to how long the start took.
 */
export async function killUnderLoad(deployment: Deployment, mintings: number, promised: Promised): Promise<number> {
  await using gateway = await startProcess(deployment, { env: { OSTIARY_WORKERS: '2', OSTIARY_LOG_LEVEL: 'fatal' } })
  const admin = { adminUrl: gateway.adminUrl, dataDirectory: deployment.dataDirectory }
  const before = promised.minted.length
  let killed = false
  // Answers that were on their way when the process died: whether they arrived is luck, and either is right.
  const ignoreTheDead = (error: unknown) => {
    if (!killed) throw error
  }
  const mint = async () => {
    while (!killed) {
      const { status, json } = await askAdmin(admin, '/api/keys', { name: 'crash', environment: 'test' })
      assert.equal(status, 201, JSON.stringify(json))
      const key = json as { key: { id: string }; secret: string }
      const minted: Minted = { id: key.key.id, secret: key.secret, revocation: null }
      promised.minted.push(minted)
      // Not the one that the calls are made with.
      if (promised.minted.length % 5 !== 0 || promised.minted[before] === minted) continue
      minted.revocation = 'asked'
      assert.equal((await askAdmin(admin, `/api/keys/${minted.id}/revoke`, {})).status, 200)
      minted.revocation = 'answered'
    }
  }
  const minters = Array.from({ length: MINTERS }, () => mint().catch(ignoreTheDead))
  await until('the first key', () => promised.minted.length > before)
  await using load = startLoad(gateway.url, (promised.minted[before] as Minted).secret, CALLERS)
  const called = () => load.statuses()[200] ?? 0
  try {
    await until(`${mintings} keys`, () => promised.minted.length >= before + mintings && called() >= CALLERS)
  } finally {
    killed = true
  }
  gateway.kill('SIGKILL')
  assert.deepEqual(await gateway.exited, { code: null, signal: 'SIGKILL' })
  await Promise.all(minters)
  await load.stop()
  promised.calls += called()
  return gateway.startMs
}

/** What a data directory must be after the death of its process: free, whole, and with all that was promised. */
export function checkSqliteFiles({ dataDirectory }: Deployment, { minted }: Promised): void {
  using _free = lockDirectory(dataDirectory)
  using database = new DatabaseSync(join(dataDirectory, 'ostiary.db'))
  assert.deepEqual(
    database
      .prepare('pragma integrity_check')
      .all()
      .map(row => ({ ...row })),
    [{ integrity_check: 'ok' }],
  )
  const rows = database.prepare('select id, revoked_at as revokedAt from keys').all()
  const created = database.prepare("select data from audit_changes where type = 'key.created'").all()
  checkRows(rows as never, created as never, minted)
}

/** The same of a PostgreSQL database, whose lock the next start proves free. */
export async function checkPostgresRows(url: string, { minted }: Promised): Promise<void> {
  await withClient(url, async client => {
    const keys = await client.query('select id, revoked_at as "revokedAt" from keys')
    const created = await client.query("select data from audit_changes where type = 'key.created'")
    checkRows(keys.rows, created.rows, minted)
  })
}

function checkRows(
  keys: readonly { readonly id: string; readonly revokedAt: unknown }[],
  created: readonly { readonly data: string }[],
  minted: readonly Minted[],
): void {
  const byId = new Map(keys.map(key => [key.id, key]))
  const eventKeys = created.map(({ data }) => (JSON.parse(data) as { subject: string }).subject)
  assert.equal(new Set(eventKeys).size, eventKeys.length, 'a key was created twice')
  assert.deepEqual(new Set(eventKeys), new Set(byId.keys()), 'keys and their events differ')
  assert.deepEqual(
    minted.filter(({ id }) => !byId.has(id)),
    [],
    'minted and answered, but lost',
  )
  assert.deepEqual(
    minted.filter(({ id, revocation }) => revocation === 'answered' && byId.get(id)?.revokedAt === null),
    [],
    'revoked and answered, but valid again',
  )
}

/** Every key of `since` and later is what it was promised to be; `gateway` runs on what the crash left. */
export async function checkKeysWork(gateway: GatewayProcess, { minted }: Promised, since = 0): Promise<void> {
  for (const { id, secret, revocation } of minted.slice(since)) {
    if (revocation === 'asked') continue
    const { status } = await callOnce(gateway.url, secret)
    assert.equal(status, revocation === null ? 200 : 401, `${id} after the crash`)
  }
}
