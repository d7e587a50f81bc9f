import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync, type SQLInputValue } from 'node:sqlite'
import { test } from 'node:test'
import {
  DummyDriver,
  Kysely,
  PostgresAdapter,
  PostgresIntrospector,
  PostgresQueryCompiler,
  SqliteAdapter,
  SqliteIntrospector,
  SqliteQueryCompiler,
} from 'kysely'
import { selectKeys } from '#store/key-query.ts'
import type { KeyQuery } from '#store/ports.ts'
import { migratePostgres } from '#store/postgres/open.ts'
import { migrateSqlite, startDatabaseThread } from '#store/sqlite/open.ts'
import type { Tables } from '#store/tables.ts'
import { startPostgres, withClient } from '../support/postgres.ts'

const lists: Readonly<Record<string, readonly [query: Omit<KeyQuery, 'limit'>, index: RegExp]>> = {
  'by time of making': [{}, /keys_pkey|sqlite_autoindex_keys_1/],
  'by name': [{ sort: 'name', ascending: true }, /keys_by_name/],
  'by name, the next page': [{ sort: 'name', after: 'key_1' }, /keys_by_name/],
  'of one name': [{ name: 'x' }, /keys_by_name/],
  'by end': [{ sort: 'expires_at', ascending: true }, /keys_by_expiry/],
  'by end, the next page': [{ sort: 'expires_at', after: 'key_1' }, /keys_by_expiry/],
  'by last use': [{ sort: 'last_used_at' }, /keys_by_use/],
  'by last use, the next page': [{ sort: 'last_used_at', ascending: true, after: 'key_1' }, /keys_by_use/],
  'with a tag': [{ metadata: { name: 'team', value: 'x' } }, /key_metadata_pk|sqlite_autoindex_key_metadata_1/],
}

test('no list of keys reads or sorts all of them: SQLite', async t => {
  const folder = mkdtempSync(join(tmpdir(), 'ostiary-lists-'))
  t.after(() => rmSync(folder, { recursive: true, force: true }))
  const file = join(folder, 'ostiary.db')
  await using thread = await startDatabaseThread(file)
  await migrateSqlite(thread.connect())
  using database = new DatabaseSync(file)
  const db = new Kysely<Tables>({
    dialect: {
      createAdapter: () => new SqliteAdapter(),
      createDriver: () => new DummyDriver(),
      createIntrospector: db => new SqliteIntrospector(db),
      createQueryCompiler: () => new SqliteQueryCompiler(),
    },
  })
  for (const [which, [query, index]] of Object.entries(lists)) {
    const { sql, parameters } = selectKeys(db, { ...query, limit: 100 }).compile()
    const plan = database.prepare(`explain query plan ${sql}`).all(...(parameters as SQLInputValue[]))
    const steps = plan.map(({ detail }) => String(detail))
    assert.match(steps.join('\n'), index, which)
    // Those of one tag are few, and sorted.
    if (query.metadata === undefined) assert.doesNotMatch(steps.join('\n'), /TEMP B-TREE/, which)
    assert.deepEqual(
      steps.filter(step => /^SCAN \w+$/.test(step)),
      [],
      which,
    )
  }
})

test('no list of keys reads or sorts all of them: PostgreSQL', async () => {
  await using server = await startPostgres()
  const url = await server.createDatabase()
  await migratePostgres(url)
  const db = new Kysely<Tables>({
    dialect: {
      createAdapter: () => new PostgresAdapter(),
      createDriver: () => new DummyDriver(),
      createIntrospector: db => new PostgresIntrospector(db),
      createQueryCompiler: () => new PostgresQueryCompiler(),
    },
  })
  await withClient(url, async client => {
    // An empty table is read whole unless that is forbidden; what has no index is read so nevertheless.
    await client.query('set enable_seqscan = off')
    await client.query('set enable_bitmapscan = off')
    await client.query('set enable_sort = off')
    for (const [which, [query, index]] of Object.entries(lists)) {
      const { sql, parameters } = selectKeys(db, { ...query, limit: 100 }).compile()
      const { rows } = await client.query(`explain ${sql}`, [...parameters])
      const plan = rows.map(row => row['QUERY PLAN']).join('\n')
      assert.match(plan, index, `${which}\n${plan}`)
      assert.doesNotMatch(plan, /Seq Scan on keys/, `${which}\n${plan}`)
      if (query.metadata === undefined) assert.doesNotMatch(plan, /Sort/, `${which}\n${plan}`)
    }
  })
})
