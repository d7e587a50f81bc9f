import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { checkDurable, checkLossBound, cutLogs } from '../support/audit-crash.ts'
import { postgresAvailable, startPostgres } from '../support/postgres.ts'
import { createDeployment } from '../support/process.ts'

test('durable: killed under load, every answered call and refusal has its event', async () => {
  using deployment = createDeployment('audit: { mode: durable, checkpointSeconds: 1 }\n')
  for (let round = 0; round < 2; round++) await checkDurable(deployment, 200 + 150 * round)
})

test('durable, PostgreSQL: killed under load, every answered call and refusal has its event', async t => {
  if (!postgresAvailable()) {
    assert.notEqual(process.env.CI, 'true', 'CI must have PostgreSQL')
    return t.skip('needs PostgreSQL')
  }
  const server = await startPostgres({ durable: true })
  after(() => server[Symbol.asyncDispose]())
  const yaml = 'audit: { mode: durable, checkpointSeconds: 1 }\nstore: { kind: postgres, url: env:DATABASE }\n'
  using deployment = createDeployment(yaml, { DATABASE: await server.createDatabase() })
  await checkDurable(deployment, 200)
})

test('batched: killed under load, no more is lost than the bound says', async t => {
  using deployment = createDeployment('audit: { checkpointSeconds: 1 }\n')
  t.diagnostic(await checkLossBound(deployment, 500))
})

test('a write-ahead log cut anywhere leaves chains that verify, each a beginning of the next', async t => {
  using deployment = createDeployment('audit: { checkpointSeconds: 1 }\n')
  t.diagnostic(await cutLogs(deployment, { copies: 1, cuts: 24 }))
})
