import { type Kysely, type RawBuilder, sql } from 'kysely'
import { HOUR_MS, type UsageCount, usageCounts } from '#core/usage-delta.ts'
import type { Tables } from './tables.ts'
import { countColumns } from './usage-columns.ts'
import type { UsageQuery, UsageStore, UsageSum } from './usage-port.ts'

/** Where the two databases say the same differently. */
export interface UsageWords {
  /** Beginning of the month (UTC) in which `hour` lies, ms since the epoch. */
  readonly month: RawBuilder<number>
  /** A sum that does not overflow, and stays at `Number.MAX_SAFE_INTEGER`. */
  readonly sum: (column: string) => RawBuilder<number>
}

const columnOf = {
  project: 'project_id',
  key: 'key_id',
  model: 'model',
  provider: 'provider',
  environment: 'environment',
} as const

/** What it cost has no bound: whole dollars and the nano dollars beside them, each sum within 64 bits. */
const REST = sql`cast(sum(cost_nano_usd % 1000000000) as bigint)`
const costSums = [
  sql`cast(sum(cost_nano_usd / 1000000000) as bigint) + ${REST} / 1000000000 as dollars`,
  sql`${REST} % 1000000000 as nano_dollars`,
]

const counted = usageCounts
  .map((name, i) => ({ name, column: countColumns[i] as string }))
  .filter(({ name }) => name !== 'costNanoUsd')

/** The queries on roll-ups, the same for every database but for these words. */
export function usageStore(db: Kysely<Tables>, words: UsageWords): UsageStore {
  const spans = {
    hour: sql`hour`,
    // In UTC every day is as long, and began at a multiple of that.
    day: sql`hour - hour % ${sql.lit(24 * HOUR_MS)}`,
    month: words.month,
  } as const

  return {
    async list({ by, span = 'hour', after, limit, ...filter }) {
      const names = by.map((_, i) => sql.ref(`group_${i}`))
      const groups = by.map(
        (name, i) =>
          sql`${name === 'time' ? spans[span] : sql.ref(columnOf[name])} as ${names[i] as RawBuilder<unknown>}`,
      )
      const sums = counted.map(({ column }) => sql`${words.sum(column)} as ${sql.ref(column)}`)
      const ordinals = sql.join(by.map((_, i) => sql.lit(i + 1)))
      const beyond = after === undefined ? sql`` : sql`and (${sql.join(names)}) > (${sql.join([...after])})`
      const { rows } = await sql<Row>`
        select * from (
          select ${sql.join([...groups, ...sums, ...costSums])} from usage_hours
          where ${sql.join(filtersOf(filter), sql` and `)} ${by.length === 0 ? sql`` : sql`group by ${ordinals}`}
        ) as sums
        where requests > 0 ${beyond} ${by.length === 0 ? sql`` : sql`order by ${sql.join(names)}`}
        limit ${sql.lit(limit)}`.execute(db)
      return rows.map(row => toSum(row, by.length))
    },

    async forget(before, limit) {
      const group = sql.raw('hour, project_id, key_id, user_id, model, provider, environment')
      const { rows } = await sql`delete from usage_hours
        where (${group}) in (select ${group} from usage_hours where hour < ${before} order by hour limit ${sql.lit(limit)})
        returning 1 as gone`.execute(db)
      return rows.length
    },
  }
}

type Row = Readonly<Record<string, string | number>>

function filtersOf({ from, to, projects, ...exact }: Omit<UsageQuery, 'by' | 'span' | 'limit' | 'after'>) {
  // The hour in which `from` lies began before it.
  const filters = [sql`hour > ${from - HOUR_MS}`]
  if (to !== undefined) filters.push(sql`hour < ${to}`)
  if (projects !== null) filters.push(sql`project_id in (${sql.join([...projects, ''])})`)
  for (const [name, column] of Object.entries(columnOf)) {
    const value = exact[name as keyof typeof columnOf]
    if (value !== undefined) filters.push(sql`${sql.ref(column)} = ${value}`)
  }
  return filters
}

function toSum(row: Row, groups: number): UsageSum {
  const sums = Object.fromEntries(counted.map(({ name, column }) => [name, row[column] as number]))
  return {
    ...(sums as Record<Exclude<UsageCount, 'costNanoUsd'>, number>),
    group: Array.from({ length: groups }, (_, i) => row[`group_${i}`] as string | number),
    costNanoUsd: BigInt(row.dollars as number) * 1_000_000_000n + BigInt(row.nano_dollars as number),
  }
}
