import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { Agent } from 'node:http'
import { internalActor } from '#core/actor.ts'
import { REVOCATION_BOUND_MS, type RevocationKind } from '#core/revocation.ts'
import { type Gateway, until } from './gateway.ts'
import { askAdmin, callOver } from './process.ts'
import type { IssuerKeyPair, TokenIssuer } from './token-issuer.ts'

/** A credential that is good. */
interface Mortal {
  readonly id: string
  readonly credential: string
  /** Resolves when the admin API has answered. */
  end(): Promise<{ readonly status: number }>
}

/** A way in which credentials end: makes one that does. */
export type Ending = (gateway: Gateway) => Promise<Mortal>

const keyEnding =
  (verb: string, body: object = {}): Ending =>
  async gateway => {
    const wanted = { name: 'to end', environment: 'test' } as const
    const { record, secret } = await gateway.ostiary.keys.mint(wanted, internalActor('test'))
    const end = () => askAdmin(gateway, `/api/keys/${record.id}/${verb}`, body)
    return { id: record.id, credential: secret.reveal(), end }
  }

export const endings = {
  revoke: keyEnding('revoke'),
  disable: keyEnding('disable'),
  'rotate without grace': keyEnding('rotate', { grace: 0 }),
} as const satisfies Readonly<Record<string, Ending>>

/** Writes an entry of the revocation list for the issuer `company`. */
export function revokeTokens(gateway: Gateway, kind: RevocationKind, value: string, more: object = {}) {
  return askAdmin(gateway, '/api/revocations', { issuer: 'company', kind, value, ...more })
}

/** How tokens of the issuer, which the gateway calls `company`, end; by a key each of the issuer's but its first. */
export function tokenEndings(issuer: TokenIssuer): Readonly<Record<RevocationKind | 'thumbprint', Ending>> {
  let usedKeys = 0
  const ending =
    (kind: RevocationKind, claim: string): Ending =>
    async gateway => {
      const value = randomUUID()
      const credential = await issuer.sign({ sub: randomUUID(), [claim]: value })
      return { id: `${kind} ${value}`, credential, end: () => revokeTokens(gateway, kind, value) }
    }
  const byKey =
    (name: 'keyId' | 'thumbprint'): Ending =>
    async gateway => {
      const key = issuer.published[++usedKeys] as IssuerKeyPair
      const credential = await issuer.sign({ sub: randomUUID() }, key)
      return { id: `key ${key.keyId}`, credential, end: () => revokeTokens(gateway, 'key', key[name]) }
    }
  return {
    token: ending('token', 'jti'),
    subject: ending('subject', 'sub'),
    client: ending('client', 'client_id'),
    session: ending('session', 'sid'),
    key: byKey('keyId'),
    thumbprint: byKey('thumbprint'),
  }
}

/** A connection to each worker. */
export async function lineToEachWorker(gateway: Gateway): Promise<Agent[]> {
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
 * Ends `count` credentials that every worker remembers, one after the other, each in the next of the ways, and measures on
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
    const { id, credential, end } = await (ways[n % ways.length] as Ending)(gateway)
    for (const line of lines) assert.equal((await callOver(line, gateway.url, credential)).status, 200)
    const asked = performance.now()
    const { status } = await end()
    assert.ok(status === 200 || status === 201, `${status}`)
    await Promise.all(
      lines.map(async line => {
        for (;;) {
          const { status } = await callOver(line, gateway.url, credential)
          if (status === 401) break
          assert.equal(status, 200)
          stale++
          assert.ok(performance.now() - asked < REVOCATION_BOUND_MS, `${id} is still accepted`)
        }
        worstMs = Math.max(worstMs, performance.now() - asked)
      }),
    )
  }
  for (const line of lines) line.destroy()
  return { worstMs, stale }
}
