import assert from 'node:assert/strict'
import { Agent } from 'node:http'
import { internalActor } from '#core/actor.ts'
import { REVOCATION_BOUND_MS } from '#core/revocation.ts'
import { type Gateway, until } from './gateway.ts'
import { askAdmin, callOver } from './process.ts'

/** How a key is ended; resolves when the admin API has answered. */
export type Ending = (gateway: Gateway, id: string) => Promise<{ readonly status: number }>

export const endings: Readonly<Record<string, Ending>> = {
  revoke: (gateway, id) => askAdmin(gateway, `/api/keys/${id}/revoke`, {}),
  disable: (gateway, id) => askAdmin(gateway, `/api/keys/${id}/disable`, {}),
  'rotate without grace': (gateway, id) => askAdmin(gateway, `/api/keys/${id}/rotate`, { grace: 0 }),
}

/** A connection to each worker. */
async function lineToEachWorker(gateway: Gateway): Promise<Agent[]> {
  const found = new Map<number, Agent>()
  await until('a connection to each worker', async () => {
    const agent = new Agent({ keepAlive: true, maxSockets: 1 })
    const { worker } = await gateway.event((await callOver(agent, gateway.url, gateway.testKey)).id)
    if (found.has(worker)) agent.destroy()
    else found.set(worker, agent)
    return found.size === gateway.ostiary.supervisor.workers.length
  })
  return [...found.values()]
}

/**
 * Ends `count` keys that every worker remembers, one after the other, each in the next of the ways, and measures on
 * every worker how long it was still accepted. Fails beyond the bound.
 */
export async function measureEndings(
  gateway: Gateway,
  count: number,
  ways: readonly Ending[],
): Promise<{ readonly worstMs: number; readonly stale: number }> {
  const lines = await lineToEachWorker(gateway)
  let [worstMs, stale] = [0, 0]
  for (let n = 0; n < count; n++) {
    const { record, secret } = await gateway.ostiary.keys.mint(
      { name: 'to end', environment: 'test' },
      internalActor('test'),
    )
    const text = secret.reveal()
    for (const line of lines) assert.equal((await callOver(line, gateway.url, text)).status, 200)
    const asked = performance.now()
    const end = ways[n % ways.length] as Ending
    assert.equal((await end(gateway, record.id)).status, 200)
    await Promise.all(
      lines.map(async line => {
        for (;;) {
          const { status } = await callOver(line, gateway.url, text)
          if (status === 401) break
          assert.equal(status, 200)
          stale++
          assert.ok(performance.now() - asked < REVOCATION_BOUND_MS, `${record.id} is still accepted`)
        }
        worstMs = Math.max(worstMs, performance.now() - asked)
      }),
    )
  }
  for (const line of lines) line.destroy()
  return { worstMs, stale }
}
