import type { Allowance, AllowanceStore, SpentQuery } from '#store/allowances-port.ts'
import type { SqliteClient } from './client.ts'

const NUMBER = 'cast(? as integer)'
const SETTLED = 'closed = 1 or epoch = excluded.epoch'

// Where a run has settled, high is what was used: one expression for high serves every case.
const TAKE = `insert into allowances (id, period, epoch, used, high, closed, charged)
  values (?, ?, ?, ?, max(${NUMBER}, min(${NUMBER} + ${NUMBER}, ${NUMBER})), 0, 0)
  on conflict (id, period) do update set
    used = case when ${SETTLED} then used else high end,
    charged = case when ${SETTLED} then 0 else high - used end,
    high = max(high, min(high + ${NUMBER}, ${NUMBER})),
    epoch = excluded.epoch,
    closed = 0
  returning used, high, charged`

const SETTLE = `update allowances set
    used = max(allowances.used, settled.used),
    high = case when settled.closed or allowances.closed then max(allowances.used, settled.used)
      else max(allowances.high, settled.used) end,
    closed = max(allowances.closed, settled.closed)
  from (
    select value ->> 'id' as id, value ->> 'period' as period, value ->> 'epoch' as epoch,
      max(value ->> 'used') as used, max(value ->> 'closed') as closed
    from json_each(?) group by 1, 2, 3
  ) as settled
  where allowances.id = settled.id and allowances.period = settled.period and allowances.epoch = settled.epoch`

/** Of rates (-1), in µs of the wall clock: those whose time has long come say no more than none. */
const FORGET = `delete from allowances
  where (period > 0 and period < ?) or (period = -1 and high < ? * 1000) returning 1 as gone`

/** Allowances over a client's line to the database thread: each call is one statement, its own transaction. */
export function sqliteAllowances(client: SqliteClient): AllowanceStore {
  return {
    async take({ id, period, epoch, slice, initial, ceiling }) {
      const parameters = [id, period, epoch, initial, initial, initial, slice, ceiling, slice, ceiling]
      const { rows } = await client.write({ sql: TAKE, parameters })
      const { used, high, charged } = rows[0] as Allowance
      // What was taken under a higher ceiling is not given out under a lower one.
      return { used, high: Math.max(used, Math.min(high, ceiling)), charged }
    },
    async settle(rows) {
      if (rows.length > 0) await client.write({ sql: SETTLE, parameters: [JSON.stringify(rows)] })
    },
    async forget(before) {
      return (await client.write({ sql: FORGET, parameters: [before, before] })).rows.length
    },
    async spent(query) {
      const { rows } = await client.read(spentStatement(query))
      return (rows[0] as { spent: number }).spent
    },
  }
}

function spentStatement({ project, key, model, unit, from }: SpentQuery) {
  const filters = ['hour > ? - 3600000']
  const parameters: unknown[] = [from]
  for (const [column, value] of Object.entries({ project_id: project, key_id: key, model })) {
    if (value === undefined) continue
    filters.push(`${column} = ?`)
    parameters.push(value)
  }
  // `total` does not overflow as `sum` does, and is exact as long as integers are.
  const total = unit === 'usd' ? 'total(cost_nano_usd)' : 'total(input) + total(output)'
  const sql = `select cast(min(${total}, ${Number.MAX_SAFE_INTEGER}) as integer) as spent from usage_hours where ${filters.join(' and ')}`
  return { sql, parameters }
}
