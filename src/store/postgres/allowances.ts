import type { PostgresPool } from 'kysely'
import type { Allowance, AllowanceSlice, AllowanceStore, AllowanceUse, SpentQuery } from '#store/allowances-port.ts'
import { run } from './run.ts'

const SETTLED = '(allowances.closed = 1 or allowances.epoch = excluded.epoch)'

// Where a run has settled, high is what was used: one expression for high serves every case.
const TAKE = `insert into allowances (id, period, epoch, used, high, closed, charged)
  values ($1, $2, $3, $4::bigint, greatest($4::bigint, least($4::bigint + $5::bigint, $6::bigint)), 0, 0)
  on conflict (id, period) do update set
    used = case when ${SETTLED} then allowances.used else allowances.high end,
    charged = case when ${SETTLED} then 0 else allowances.high - allowances.used end,
    high = greatest(allowances.high, least(allowances.high + $5::bigint, $6::bigint)),
    epoch = excluded.epoch,
    closed = 0
  returning used, high, charged`

/** Rows are held in the order of their ids, as everybody does who holds several: nobody waits in a circle. */
const SETTLE = `with settled as (
    select id, period, epoch, max(used) as used, max(case when closed then 1 else 0 end) as closed
    from jsonb_to_recordset($1::jsonb) as sent (id text, period bigint, epoch text, used bigint, closed boolean)
    group by id, period, epoch
  ), held as (
    select id, period from allowances where (id, period) in (select id, period from settled) order by id, period for update
  )
  update allowances set
    used = greatest(allowances.used, settled.used),
    high = case when settled.closed = 1 or allowances.closed = 1 then greatest(allowances.used, settled.used)
      else greatest(allowances.high, settled.used) end,
    closed = greatest(allowances.closed, settled.closed)
  from settled join held on held.id = settled.id and held.period = settled.period
  where allowances.id = settled.id and allowances.period = settled.period and allowances.epoch = settled.epoch`

/** Of rates (-1), in µs of the wall clock: those whose time has long come say no more than none. */
const FORGET = `delete from allowances
  where (period > 0 and period < $1) or (period = -1 and high < $1::bigint * 1000) returning 1 as gone`

/** Allowances on connections of the pool: each call is one statement, its own transaction. */
export function postgresAllowances(pool: PostgresPool): AllowanceStore {
  return {
    take: slice => take(pool, slice),
    settle: rows => settle(pool, rows),
    forget: async before => (await run(pool, FORGET, [before])).length,
    spent: query => spent(pool, query),
  }
}

async function take(pool: PostgresPool, slice: AllowanceSlice): Promise<Allowance> {
  const { id, period, epoch, initial, ceiling } = slice
  const [row] = await run(pool, TAKE, [id, period, epoch, initial, slice.slice, ceiling])
  const { used, high, charged } = row as Allowance
  // What was taken under a higher ceiling is not given out under a lower one.
  return { used, high: Math.max(used, Math.min(high, ceiling)), charged }
}

async function settle(pool: PostgresPool, rows: readonly AllowanceUse[]): Promise<void> {
  if (rows.length > 0) await run(pool, SETTLE, [JSON.stringify(rows)])
}

async function spent(pool: PostgresPool, { project, key, model, unit, from }: SpentQuery): Promise<number> {
  const filters = ['hour > $1::bigint - 3600000']
  const parameters: unknown[] = [from]
  for (const [column, value] of Object.entries({ project_id: project, key_id: key, model })) {
    if (value !== undefined) filters.push(`${column} = $${parameters.push(value)}`)
  }
  const total = unit === 'usd' ? 'sum(cost_nano_usd)' : 'sum(input) + sum(output)'
  const sql = `select least(coalesce(${total}, 0), ${Number.MAX_SAFE_INTEGER})::bigint as spent
    from usage_hours where ${filters.join(' and ')}`
  const [row] = await run(pool, sql, parameters)
  return (row as { spent: number }).spent
}
