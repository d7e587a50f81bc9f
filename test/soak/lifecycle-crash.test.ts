import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { checkKeysWork, checkPostgresRows, checkSqliteFiles, killUnderLoad, type Promised } from '../support/crash.ts'
import { postgresAvailable, startPostgres } from '../support/postgres.ts'
import { createDeployment, startProcess } from '../support/process.ts'

const ROUNDS = 20

test(`${ROUNDS} times killed while keys are minted and used, SQLite keeps every key that was answered`, async t => {
  using deployment = createDeployment()
  const promised: Promised = { minted: [], calls: 0 }
  const starts: number[] = []
  for (let round = 0; round < ROUNDS; round++) {
    const since = promised.minted.length
    // Another moment each time: at the first commit, between two checkpoints, after many.
    starts.push(await killUnderLoad(deployment, 1 + ((round * 37) % 150), promised))
    checkSqliteFiles(deployment, promised)
    await using gateway = await startProcess(deployment)
    await checkKeysWork(gateway, promised, since)
    // Not stopped either: every other recovery begins on what a recovery left.
    gateway.kill('SIGKILL')
    await gateway.exited
  }
  await using gateway = await startProcess(deployment)
  await checkKeysWork(gateway, promised)
  assert.ok(promised.calls > 0, 'there was no load')
  t.diagnostic(
    `${promised.minted.length} keys, ${promised.calls} calls; slowest start ${Math.max(...starts).toFixed()} ms`,
  )
})

test(`${ROUNDS} times killed while keys are minted and used, PostgreSQL keeps every key that was answered`, async t => {
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
  for (let round = 0; round < ROUNDS; round++) {
    await killUnderLoad(deployment, 1 + ((round * 37) % 150), promised)
    await checkPostgresRows(deployment.env.DATABASE as string, promised)
  }
  await using gateway = await startProcess(deployment)
  await checkKeysWork(gateway, promised)
  t.diagnostic(`${promised.minted.length} keys, ${promised.calls} calls`)
})
