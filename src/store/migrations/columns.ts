import { type ColumnDataType, type RawBuilder, sql } from 'kysely'

type Type = ColumnDataType | RawBuilder<unknown>

/** Where the two databases write the same table differently. */
export interface Columns {
  /** Text compared byte by byte, so that ids sort by time. */
  readonly id: Type
  /** 64 bits. */
  readonly integer: Type
  readonly json: Type
  /** Ascending number given by the database. */
  readonly sequence: Type
  readonly tableEnd: RawBuilder<unknown>
}

export const sqliteColumns: Columns = {
  id: 'text',
  integer: 'integer',
  json: 'text',
  sequence: 'integer',
  // Without it a column takes any type.
  tableEnd: sql`strict`,
}

export const postgresColumns: Columns = {
  id: sql`text collate "C"`,
  integer: 'bigint',
  json: 'jsonb',
  sequence: sql`bigint generated always as identity`,
  tableEnd: sql``,
}
