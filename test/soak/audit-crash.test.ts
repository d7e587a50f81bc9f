import { test } from 'node:test'
import { checkDurable, checkLossBound, cutLogs } from '../support/audit-crash.ts'
import { createDeployment } from '../support/process.ts'

const ROUNDS = 20

test(`durable: ${ROUNDS} times killed under load, every answered call and refusal has its event`, async () => {
  using deployment = createDeployment('audit: { mode: durable, checkpointSeconds: 1 }\n')
  for (let round = 0; round < ROUNDS; round++) await checkDurable(deployment, 50 + ((round * 137) % 900))
})

test(`batched: ${ROUNDS} times killed under load, no more is lost than the bound says`, async t => {
  using deployment = createDeployment('audit: { checkpointSeconds: 1 }\n')
  for (let round = 0; round < ROUNDS; round++) {
    t.diagnostic(await checkLossBound(deployment, 100 + ((round * 211) % 2000)))
  }
})

test('a write-ahead log cut at every frame and between leaves chains that verify', async t => {
  using deployment = createDeployment('audit: { checkpointSeconds: 1 }\n')
  t.diagnostic(await cutLogs(deployment, { copies: 5, cuts: Number.POSITIVE_INFINITY }))
})
