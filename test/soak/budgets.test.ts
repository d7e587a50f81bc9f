import assert from 'node:assert/strict'
import { randomInt } from 'node:crypto'
import { after, type TestContext, test } from 'node:test'
import { BUDGET, chaosConfig, liveAndDie, seeded, startBillingProvider } from '../support/budget-chaos.ts'
import { postgresAvailable, startPostgres } from '../support/postgres.ts'
import { createDeployment } from '../support/process.ts'

const ROUNDS = Number(process.env.OSTIARY_SOAK_ROUNDS ?? 200)
const SEED = Number(process.env.OSTIARY_SOAK_SEED ?? randomInt(2 ** 31))

/** Rounds of mixed calls, each ended by `kill -9` or a stop; with a new budget whenever one is spent. */
async function chaos(t: TestContext, rounds: number, createDatabase?: () => Promise<string>): Promise<void> {
  t.diagnostic(`to repeat: OSTIARY_SOAK_SEED=${SEED} OSTIARY_SOAK_ROUNDS=${ROUNDS}`)
  const random = seeded(SEED)
  const counts = { killed: 0, stopped: 0, budgets: 0, drawn: 0, billed: 0 }
  while (counts.killed + counts.stopped < rounds) {
    await using provider = await startBillingProvider()
    const { yaml, env } = chaosConfig(provider, createDatabase && 'store: { kind: postgres, url: env:DATABASE }\n')
    using deployment = createDeployment(yaml, { ...env, ...(createDatabase && { DATABASE: await createDatabase() }) })
    let key: string | null = null
    let isSpent = false
    while (!isSpent && counts.killed + counts.stopped < rounds) {
      const kill = random() < 0.6
      const life = await liveAndDie(deployment, provider, { key, ms: 50 + random() * 1000, kill, random })
      key = life.key
      isSpent = life.spent
      if (!isSpent) counts[kill ? 'killed' : 'stopped']++
    }
    // What the last one left is checked by the start of one more.
    const { drawn } = await liveAndDie(deployment, provider, { key, ms: 0, kill: false, random })
    const billed = provider.billed()
    t.diagnostic(`budget ${++counts.budgets}: drawn ${drawn} of ${BUDGET}, billed ${billed}`)
    counts.drawn += drawn
    counts.billed += billed
  }
  t.diagnostic(JSON.stringify(counts))
  assert.ok(counts.billed > 0)
}

test(`${ROUNDS} times killed or stopped under mixed calls, on SQLite: no budget is overdrawn, no bill is above what was drawn`, t =>
  chaos(t, ROUNDS))

const POSTGRES_ROUNDS = Math.ceil(ROUNDS / 5)

test(`${POSTGRES_ROUNDS} times killed or stopped under mixed calls, on PostgreSQL: the same`, async t => {
  if (!postgresAvailable()) {
    assert.notEqual(process.env.CI, 'true', 'CI must have PostgreSQL')
    return t.skip('needs PostgreSQL')
  }
  const server = await startPostgres({ durable: true })
  after(() => server[Symbol.asyncDispose]())
  await chaos(t, POSTGRES_ROUNDS, () => server.createDatabase())
})
