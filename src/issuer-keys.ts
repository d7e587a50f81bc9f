import type { JWK } from 'jose'
import type { Config } from '#config/schema.ts'
import { sendWhole } from '#core/whole-reply.ts'
import type { KeyQuery } from '#issuers/issuer-keys.ts'

/** The keys that an issuer publishes now; null = none can be had. */
export interface PublishedKeys {
  readonly issuer: string
  readonly keys: readonly JWK[] | null
}

/** The supervisor's side of the keys of issuers: it alone fetches them, for all workers. */
export interface IssuerKeySource extends AsyncDisposable {
  /** Never rejects. */
  find(query: KeyQuery): Promise<PublishedKeys>
}

const TIMEOUT_MS = 5000
const MAX_BYTES = 512 * 1024

export function createIssuerKeySource(current: () => Config): IssuerKeySource {
  return {
    async find({ issuer }) {
      const config = current().issuers[issuer]
      if (config?.jwksUrl === undefined) return { issuer, keys: null }
      const { createUpstream } = await import('#http/upstream.ts')
      const { origin, pathname } = new URL(config.jwksUrl)
      const bounds = { connections: 1, connectTimeoutMs: TIMEOUT_MS, timeoutMs: TIMEOUT_MS, idleTimeoutMs: TIMEOUT_MS }
      await using upstream = createUpstream({ origin, allowPrivateNetwork: config.allowPrivateNetwork, ...bounds })
      try {
        const request = { method: 'GET', path: pathname, headers: { accept: 'application/json' }, body: null } as const
        const { status, body } = await sendWhole(upstream.send, request, MAX_BYTES)
        const { keys } = JSON.parse(body.toString('utf8')) as { keys?: JWK[] }
        return { issuer, keys: status === 200 && Array.isArray(keys) ? keys : null }
      } catch {
        return { issuer, keys: null }
      }
    },
    async [Symbol.asyncDispose]() {},
  }
}
