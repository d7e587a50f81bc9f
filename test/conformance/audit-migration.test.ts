import assert from 'node:assert/strict'
import { after, describe, test } from 'node:test'
import { verifyAudit } from '#audit/verify.ts'
import { adapters, appendCalls, callEvent, key, keyEvent } from './store-adapters.ts'

/** The table of events as step 0001 makes it. */
const EVENTS = {
  SQLite:
    'create table events (seq integer primary key, id text not null unique, at integer not null, type text not null, data text not null) strict',
  PostgreSQL:
    'create table events (seq bigint generated always as identity primary key, id text collate "C" not null unique, at bigint not null, type text not null, data jsonb not null)',
}

for (const [name, start] of Object.entries(adapters)) {
  describe(`events of before there were chains, on ${name}`, async () => {
    const adapter = await start()
    after(() => adapter[Symbol.asyncDispose]())

    test('become the first rows of chains, each of them, in their order', async () => {
      await using database = await adapter.open()
      await database.migrate()
      // Back to where step 0004 found it.
      for (const table of [
        'audit_changes',
        'audit_decisions',
        'audit_heads',
        'audit_checkpoints',
        'operator_tokens',
        'idempotency_keys',
        'usage_hours',
        'allowances',
        'key_metadata',
        'revocations',
      ]) {
        await database.query(`drop table ${table}`)
      }
      for (const index of ['keys_by_name', 'keys_by_expiry', 'keys_by_use']) await database.query(`drop index ${index}`)
      for (const column of ['leak_reported_at', 'binding', 'roles', 'denied_cidrs'])
        await database.query(`alter table keys drop column ${column}`)
      for (const column of ['cidrs', 'denied_cidrs']) await database.query(`alter table projects drop column ${column}`)
      await database.query("delete from migrations where name >= '0004-audit-chains'")
      await database.query(EVENTS[name as keyof typeof EVENTS])
      const calls = Array.from({ length: 250 }, (_, n) => callEvent(`req_${n}`, { at: 1_800_000_000_000 + n }))
      const changes = [1, 2, 3].map(n => keyEvent(`evt_${n}`))
      const old = [...calls.slice(0, 100), changes[0], ...calls.slice(100), changes[1], changes[2]]
      const values = old.map(event => {
        assert.ok(event !== undefined)
        return `('${event.id}', ${event.at}, '${event.type}', '${JSON.stringify(event)}')`
      })
      await database.query(`insert into events (id, at, type, data) values ${values.join()}`)
      await database.migrate()

      const store = await database.connect()
      assert.deepEqual(await store.events.list({ limit: 1000, type: 'call' }), calls.toReversed())
      assert.deepEqual(await store.events.list({ limit: 1000, type: 'key.created' }), changes.toReversed())
      // What comes now follows what was there.
      await store.keys.insert(key('key_4'), keyEvent('evt_4'))
      await appendCalls(store, [callEvent('req_new')])
      await using reader = await database.readAudit()
      const report = await verifyAudit({ reader, keys: new Map(), anchor: null, onProgress() {} })
      assert.deepEqual(report.findings, [])
      assert.deepEqual(
        report.chains.map(({ chain, rows, events }) => [chain, rows, events]),
        [
          ['changes', 4, 4],
          ['decisions/1', 1, 1],
          ['decisions/legacy', 3, 250],
        ],
      )
      await assert.rejects(database.query('select 1 from events'), /events/)
    })
  })
}
