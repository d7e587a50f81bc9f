import { randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { setTimeout as pause } from 'node:timers/promises'
import { createKeyFormat } from '#keys/format.ts'
import { createDigest } from '#keys/recognise.ts'
import { chatBody } from './bodies.ts'
import { type Contender, type Duration, measureSideBySide, type Row, warmUp } from './measure.ts'
import { type Ostiary, startOstiary } from './ostiary.ts'
import { freePort, measuredCore } from './processes.ts'

export const storedKeys = { load: 'stored keys', few: '10 keys', many: '1,000,000 keys, 10,000 active' } as const

const FEW = { stored: 10, active: 10 }
const MANY = { stored: 1_000_000, active: 10_000 }
/** Room for the active keys and the first one; by default a worker remembers 10,000. */
const CACHE_SIZE = '20000'

const SETTLE_MS = 3000

/** Calls with ten keys of ten beside calls with ten thousand keys of a million, each key in its turn. */
export async function measureStoredKeys(upstreamPort: number, duration: Duration): Promise<Row[]> {
  const start = async (name: string, { stored, active }: typeof FEW): Promise<Contender> => {
    const port = await freePort()
    const env = { OSTIARY_KEYS_CACHE_SIZE: CACHE_SIZE }
    const ostiary = await startOstiary({ cores: measuredCore, workers: 1, port, upstreamPort, env })
    const keys = storeKeys(ostiary, stored, active)
    // While the rows were written, nobody else could write: what waits for that must be written first.
    await pause(SETTLE_MS)
    return {
      name,
      server: ostiary.server,
      load: { url: ostiary.url, headers: {}, body: chatBody(0.3), keys },
      expectedStatus: 200,
    }
  }
  const contenders = [await start(storedKeys.few, FEW), await start(storedKeys.many, MANY)]
  // Long enough that every active key has been looked up once: that is not what is measured.
  await warmUp(contenders, { ...duration, warmUpSeconds: Math.max(duration.warmUpSeconds, 5) })
  const rows = await measureSideBySide(storedKeys.load, contenders, duration)
  for (const { server } of contenders) await server.stop()
  return rows
}

/** Writes rows as a mint does, in one transaction beside the gateway; answers the texts of the active ones. */
function storeKeys({ dataDirectory }: Ostiary, stored: number, active: number): string[] {
  const secretOf = (name: string) => Buffer.from(readFileSync(join(dataDirectory, name), 'utf8').trim(), 'base64url')
  const format = createKeyFormat('sk', secretOf('deployment-secret'))
  const digestOf = createDigest(secretOf('pepper'))
  using database = new DatabaseSync(join(dataDirectory, 'ostiary.db'), { timeout: 10_000 })
  const pepperId = database.prepare('select pepper_id from key_secrets limit 1').get()?.pepper_id as string
  const key = database.prepare(`insert into keys
    (id, project_id, name, environment, metadata, version, created_at, created_by, updated_at)
    values (?, 'proj_default', ?, 'test', '{}', 1, ?, 'bench', ?)`)
  const secret = database.prepare(
    'insert into key_secrets (digest, key_id, pepper_id, hint, created_at) values (?, ?, ?, ?, ?)',
  )
  const now = Date.now()
  const texts: string[] = []
  // The active ones lie scattered among the others.
  const step = stored / active
  database.exec('begin immediate')
  for (let n = 0; n < stored; n++) {
    const id = `key_${String(n).padStart(26, '0')}`
    key.run(id, `bench ${n}`, now, now)
    const text = n % step === 0 ? format.make('test') : null
    if (text !== null) texts.push(text)
    const digest = text === null ? randomBytes(32).toString('hex') : digestOf(text)
    secret.run(digest, id, pepperId, `sk_test_…${text?.slice(-4) ?? '0000'}`, now)
  }
  database.exec('commit')
  return texts
}
