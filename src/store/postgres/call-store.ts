import type { PostgresPool } from 'kysely'
import { type ChainHead, EMPTY_CHAIN } from '#core/audit-chain.ts'
import type { UsageDelta } from '#core/usage-delta.ts'
import { CALL_KEY, type CallKeyRow, toCallKey } from '#store/call-key.ts'
import type { CallKey, CallStore, DecisionRow, KeyUse } from '#store/ports.ts'
import type { TokenQuery, TokenStanding } from '#store/revocations-port.ts'
import { type TokenStandingRow, tokenStanding, toParameters, toTokenStanding } from '#store/token-standing.ts'
import { addUsage, countColumns, groupColumns, insertUsage, usageJson } from '#store/usage-columns.ts'
import { postgresAllowances } from './allowances.ts'
import { bounded, within } from './bounds.ts'
import { openPool, type PostgresOptions } from './connections.ts'
import { PostgresFeed } from './feed.ts'
import { run } from './run.ts'

export interface PostgresCallStore extends CallStore {
  readonly pool: PostgresPool
}

/**
 * What serving calls needs of a migrated PostgreSQL database; recovers by itself from outages. Rejects with
 * `Problem('store.unavailable')` if the server does not answer now: no change may be missed from here on.
 */
export async function openPostgresCallStore(options: PostgresOptions): Promise<PostgresCallStore> {
  const timeoutMs = options.timeoutMs ?? 2000
  const feed = new PostgresFeed(options)
  try {
    await within(timeoutMs, feed.started)
  } catch (error) {
    await feed[Symbol.asyncDispose]()
    throw error
  }
  const pool = openPool(options)
  return {
    pool,
    keys: bounded(timeoutMs, {
      findByDigest: digest => findByDigest(pool, digest),
      noteUses: uses => noteUses(pool, uses),
    }),
    events: bounded(timeoutMs, { head: chain => head(pool, chain), append: (row, usage) => append(pool, row, usage) }),
    allowances: bounded(timeoutMs, postgresAllowances(pool)),
    revocations: bounded(timeoutMs, { judge: token => judge(pool, token) }),
    changes: feed.changes,
    async [Symbol.asyncDispose]() {
      await feed[Symbol.asyncDispose]()
      // A server that fell silent takes no leave.
      await within(timeoutMs, pool.end()).catch(() => {})
    },
  }
}

async function findByDigest(pool: PostgresPool, digest: string): Promise<CallKey | undefined> {
  const [row] = await run(pool, FIND, [digest])
  return row === undefined ? undefined : toCallKey(row as CallKeyRow)
}

const FIND = `${CALL_KEY}$1`

async function judge(pool: PostgresPool, token: TokenQuery): Promise<TokenStanding> {
  const [row] = await run(pool, STANDING, toParameters(token))
  return toTokenStanding(row as TokenStandingRow)
}

const STANDING = tokenStanding(n => `$${n}`)

/** Rows are held in the order of their ids, as everybody does who holds several: nobody waits in a circle. */
async function noteUses(pool: PostgresPool, uses: readonly KeyUse[]): Promise<void> {
  await run(
    pool,
    `with used as (select * from jsonb_to_recordset($1::jsonb) as used (id text, at bigint, source text)),
       held as (select id from keys where id in (select id from used) order by id for update)
     update keys set last_used_at = used.at, last_used_from = used.source
     from used join held on held.id = used.id
     where keys.id = used.id and coalesce(keys.last_used_at, 0) < used.at`,
    [JSON.stringify(uses)],
  )
}

const CHAIN_HEAD = 'select seq, hash from audit_decisions where chain = $1 order by seq desc limit 1'

async function head(pool: PostgresPool, chain: string): Promise<ChainHead> {
  const [row] = await run(pool, CHAIN_HEAD, [chain])
  return (row as ChainHead | undefined) ?? EMPTY_CHAIN
}

const VALUES = [...groupColumns, ...countColumns].map((name, i) =>
  i > 0 && i < groupColumns.length ? `entry ->> ${i} as ${name}` : `(entry ->> ${i})::bigint as ${name}`,
)

/**
 * One statement a batch, so that row and usage are written both or neither; of two rows at once for one place, the primary
 * key lets one in. Usage is taken in the order of its groups, as everybody does: nobody waits in a circle.
 */
const APPEND = `with head as (${CHAIN_HEAD}), written as (
    insert into audit_decisions (chain, seq, first_at, last_at, count, data, hash)
    select $1::text, $2::bigint, $3::bigint, $4::bigint, $5::bigint, $6::text, $7::text
    where coalesce((select seq from head), 0) + 1 = $2::bigint and coalesce((select hash from head), $9::text) = $8::text
    on conflict (chain, seq) do nothing
    returning seq
  ), metered as (
    ${insertUsage}
    select ${VALUES.join(', ')} from written, jsonb_array_elements($10::jsonb) as entry
    order by ${groupColumns.join(', ')}
    ${addUsage('least')}
  )
  select seq from written`

async function append(pool: PostgresPool, row: DecisionRow, usage: readonly UsageDelta[]): Promise<ChainHead> {
  const { chain, seq, previous, hash } = row
  const link = [chain, seq, row.firstAt, row.lastAt, row.count, row.data, hash, previous, EMPTY_CHAIN.hash]
  const written = await run(pool, APPEND, [...link, usageJson(usage)])
  if (written.length > 0) return { seq, hash }
  // Written before, by a request whose answer got lost.
  const there = await run(pool, 'select hash from audit_decisions where chain = $1 and seq = $2', [chain, seq])
  return (there[0] as { hash: string } | undefined)?.hash === hash ? { seq, hash } : head(pool, chain)
}
