import assert from 'node:assert/strict'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { openConnections } from '#store/sqlite/connections.ts'
import { checkKeysWork, checkPostgresRows, checkSqliteFiles, killUnderLoad, type Promised } from '../support/crash.ts'
import { postgresAvailable, startPostgres } from '../support/postgres.ts'
import { createDeployment, startProcess } from '../support/process.ts'

const ROUNDS = 3

test(`${ROUNDS} times killed while keys are minted and used, SQLite keeps every key that was answered`, async () => {
  using deployment = createDeployment()
  const promised: Promised = { minted: [], calls: 0 }
  for (let round = 0; round < ROUNDS; round++) {
    await killUnderLoad(deployment, 20 + 13 * round, promised)
    checkSqliteFiles(deployment, promised)
  }
  await using gateway = await startProcess(deployment)
  await checkKeysWork(gateway, promised)
  assert.ok(promised.calls > 0, 'there was no load')
  gateway.kill('SIGTERM')
  assert.deepEqual(await gateway.exited, { code: 0, signal: null })
})

test('killed while keys are minted and used, PostgreSQL keeps every key that was answered', async t => {
  if (!postgresAvailable()) {
    assert.notEqual(process.env.CI, 'true', 'CI must have PostgreSQL')
    return t.skip('needs PostgreSQL')
  }
  const server = await startPostgres({ durable: true })
  after(() => server[Symbol.asyncDispose]())
  using deployment = createDeployment('store: { kind: postgres, url: env:DATABASE }\n', {
    DATABASE: await server.createDatabase(),
  })
  const promised: Promised = { minted: [], calls: 0 }
  await killUnderLoad(deployment, 25, promised)
  await checkPostgresRows(deployment.env.DATABASE as string, promised)
  // The server has seen the connection end: the node's lock is free at once.
  await using gateway = await startProcess(deployment)
  await checkKeysWork(gateway, promised)
})

test('each commit is synced to the disk, which no kill can show: only a loss of power would', () => {
  using deployment = createDeployment()
  using connections = openConnections(join(deployment.folder, 'ostiary.db'))
  const ask = (sql: string) => Object.values(connections.writer.run({ sql, parameters: [] }).rows[0] as object)
  assert.deepEqual(ask('pragma journal_mode'), ['wal'])
  // 2 = full: in this mode of the log it syncs at each commit (sqlite.org/pragma.html#pragma_synchronous).
  assert.deepEqual(ask('pragma synchronous'), [2])
})
