import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { callOn, seeded, startBillingProvider } from '../support/budget-chaos.ts'
import { ask } from '../support/gateway.ts'
import { askAdmin, bootstrapToken, createDeployment, startProcess } from '../support/process.ts'
import { configFor } from '../support/provider.ts'

const MINUTES = Number(process.env.OSTIARY_SOAK_MINUTES ?? 30)
const LINES = 6
const CALLS_OF_A_KEY = 6
/** Few: keys come and go many times as often, so that a counter that never makes room is soon one too many. */
const SLOTS = 16_384
const SAMPLE_MS = 1000
const KINDS = ['json', 'json', 'json', 'stream', 'stream', 'error', 'break', 'hangup', 'hangup-json'] as const

const skip = process.platform === 'linux' ? false : 'reads /proc'

test(`memory stays flat for ${MINUTES} minutes while keys with limits of their own come and go`, { skip }, async t => {
  await using provider = await startBillingProvider()
  const { yaml, env } = configFor(provider)
  const shared = 'limits: { all: { unit: requests, amount: 1000000, windowSeconds: 60, per: [project] } }\n'
  using deployment = createDeployment(`${yaml}${shared}counters: { slots: ${SLOTS} }\n`, env)
  await using gateway = await startProcess(deployment, { env: { OSTIARY_WORKERS: '2', OSTIARY_LOG_LEVEL: 'fatal' } })
  const admin = { adminUrl: gateway.adminUrl, dataDirectory: deployment.dataDirectory }
  const endsAt = performance.now() + MINUTES * 60_000
  const isOver = () => performance.now() >= endsAt
  let keys = 0
  let counters = 0
  const statuses: Record<number, number> = {}
  const onStatus = (status: number) => {
    statuses[status] = (statuses[status] ?? 0) + 1
  }

  const line = async (n: number) => {
    const random = seeded(n)
    while (!isOver()) {
      const settings = limitsOf(keys++)
      counters += settings.limits.length + (settings.budgets?.length ?? 0)
      const minted = await askAdmin(admin, '/api/keys', { name: 'churn', environment: 'live', ...settings })
      assert.equal(minted.status, 201, JSON.stringify(minted.json))
      const { key, secret } = minted.json as { key: { id: string }; secret: string }
      let calls = 0
      const stopped = () => calls++ === CALLS_OF_A_KEY
      await callOn({ url: gateway.url, key: secret, stopped, random, kinds: KINDS, onStatus })
      assert.equal((await askAdmin(admin, `/api/keys/${key.id}/revoke`, {})).status, 200)
    }
  }
  const samples: number[] = []
  const sample = async () => {
    while (!isOver()) {
      samples.push(residentMb(gateway.pid))
      await pause(SAMPLE_MS)
    }
  }
  await Promise.all([sample(), ...Array.from({ length: LINES }, (_, n) => line(n))])

  const quarter = Math.floor(samples.length / 4)
  const [warm, end] = [median(samples.slice(quarter, 2 * quarter)), median(samples.slice(-quarter))]
  t.diagnostic(
    `${keys} keys, ${counters} counters in ${SLOTS} slots; resident: ${samples[0]?.toFixed()} MB at the start, ` +
      `${warm.toFixed()} MB in the second quarter, ${end.toFixed()} MB in the last, ${Math.max(...samples).toFixed()} MB at most`,
  )
  const problems = await problemsOf(admin)
  t.diagnostic(`statuses ${JSON.stringify(statuses)}, problems ${JSON.stringify(problems)}`)
  assert.equal(problems['limits.too_many_counters'], undefined, 'there was room for every counter')
  // On a machine that is busy for seconds, calls may be shed or the store may answer too late.
  assert.ok((statuses[503] ?? 0) <= 0.001 * (statuses[200] ?? 0), `${statuses[503]} calls were answered 503`)
  assert.ok((statuses[200] ?? 0) > keys && (statuses[429] ?? 0) > 0, 'calls are done, and held to their limits')
  assert.ok(end <= warm * 1.1, `${warm.toFixed()} MB, then ${end.toFixed()} MB`)
})

/** A few calls fit and a burst does not; one key in ten has a budget, whose counter rests for long after its last call. */
function limitsOf(n: number): { readonly limits: readonly object[]; readonly budgets?: readonly object[] } {
  return {
    limits: [
      { unit: 'requests', amount: 5, window_seconds: 5 },
      { unit: 'tokens', amount: 100_000, window_seconds: 5 },
      { unit: 'concurrency', amount: 2 },
    ],
    ...(n % 10 === 0 && { budgets: [{ unit: 'tokens', amount: 100_000, period: 'month' }] }),
  }
}

/** How many requests met each problem, by its code. */
async function problemsOf({ adminUrl, dataDirectory }: { readonly adminUrl: string; readonly dataDirectory: string }) {
  const headers = { authorization: `Bearer ${bootstrapToken(dataDirectory)}` }
  const { text } = await ask(`${adminUrl}/metrics`, { method: 'GET', headers })
  const sums: Record<string, number> = {}
  for (const [, code = '', count] of text.matchAll(/^ostiary_problems_total\{[^}]*code="([^"]+)"[^}]*\} (\d+)/gm)) {
    if (Number(count) > 0) sums[code] = (sums[code] ?? 0) + Number(count)
  }
  return sums
}

function residentMb(pid: number): number {
  return Number(/^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) / 1024
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1] as number
}
