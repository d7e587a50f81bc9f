import { type Kysely, type SelectQueryBuilder, sql } from 'kysely'
import type { KeyQuery, KeySort } from './ports.ts'
import type { KeysTable, Tables } from './tables.ts'

type Rows = SelectQueryBuilder<Tables, 'keys', KeysTable>

// Keys without an end come where they end last, those never used where they were used first.
const ORDER = {
  created_at: sql<string>`id`,
  name: sql<string>`name`,
  expires_at: sql<number>`coalesce(expires_at, 9007199254740991)`,
  last_used_at: sql<number>`coalesce(last_used_at, 0)`,
} as const satisfies Record<KeySort, unknown>

/** The page of keys that a query asks for. */
export function selectKeys(db: Kysely<Tables>, query: KeyQuery): Rows {
  const { limit, after, sort = 'created_at', ascending = false, projects = null } = query
  const direction = ascending ? 'asc' : 'desc'
  let rows = filtered(db.selectFrom('keys').selectAll(), query).limit(limit)
  if (sort !== 'created_at') rows = rows.orderBy(ORDER[sort], direction)
  // Ids ascend by time of making, and decide where all else is equal.
  rows = rows.orderBy('id', direction)
  if (after === undefined) return rows
  const beyond = sql.raw(ascending ? '>' : '<')
  if (sort === 'created_at') return rows.where(sql<boolean>`id ${beyond} ${after}`)
  // The last key seen must itself be one that the asker may see: its place tells something of it.
  const visible = projects === null ? sql`true` : sql`project_id in (${sql.join([...projects, ''])})`
  return rows.where(sql<boolean>`(${ORDER[sort]}, id) ${beyond} (
    select ${ORDER[sort]}, id from keys where id = ${after} and ${visible})`)
}

function filtered(rows: Rows, query: KeyQuery): Rows {
  const { projects = null, environment, status, name, unrevoked, hint, metadata } = query
  let found = rows
  if (projects !== null) found = found.where('project_id', 'in', [...projects, ''])
  if (environment !== undefined) found = found.where('environment', '=', environment)
  if (name !== undefined) found = found.where('name', '=', name)
  if (unrevoked === true) found = found.where('revoked_at', 'is', null)
  if (status !== undefined) found = found.where(STATUS[status.is](status.now))
  if (metadata !== undefined) {
    found = found.where(sql<boolean>`id in (
      select key_id from key_metadata where name = ${metadata.name} and value = ${metadata.value})`)
  }
  if (hint !== undefined) {
    found = found.where(sql<boolean>`id in (
      select key_id from key_secrets
      where substr(hint, 1, ${hint.begins.length}) = ${hint.begins} and (expires_at is null or expires_at > ${hint.now}))`)
  }
  return found
}

const STATUS = {
  revoked: (_now: number) => sql<boolean>`revoked_at is not null`,
  expired: (now: number) => sql<boolean>`revoked_at is null and expires_at <= ${now}`,
  disabled: (now: number) =>
    sql<boolean>`revoked_at is null and (expires_at is null or expires_at > ${now}) and disabled_at is not null`,
  active: (now: number) =>
    sql<boolean>`revoked_at is null and (expires_at is null or expires_at > ${now}) and disabled_at is null`,
}
