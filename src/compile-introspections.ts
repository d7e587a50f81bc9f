import type { Config } from '#config/schema.ts'
import type { SecretValues } from '#config/secrets.ts'
import { createUpstream } from '#http/upstream.ts'
import type { Introspection } from '#issuers/introspection/introspection.ts'
import { MAX_AT_ONCE } from '#issuers/introspection/question-turns.ts'
import type { Issuer } from '#issuers/issuer.ts'

/** The issuers of a configuration that are asked about tokens, each with connections of its own. `open` closes them. */
export function compileIntrospections(
  config: Config,
  issuers: readonly Issuer[],
  secrets: SecretValues,
  open: AsyncDisposableStack,
): Introspection[] {
  return issuers.flatMap(issuer => {
    const { introspection, allowPrivateNetwork } = config.issuers[issuer.name] ?? {}
    if (introspection === undefined) return []
    const { timeoutMs, opaque, tokenPrefix, cacheSeconds, negativeCacheSeconds } = introspection
    const { origin, pathname } = new URL(introspection.url)
    const upstream = open.use(
      createUpstream({
        origin,
        // And one for trials.
        connections: MAX_AT_ONCE + 1,
        connectTimeoutMs: timeoutMs,
        timeoutMs,
        idleTimeoutMs: timeoutMs,
        allowPrivateNetwork: allowPrivateNetwork ?? false,
      }),
    )
    return {
      issuer,
      send: upstream.send,
      path: pathname,
      clientId: introspection.clientId,
      clientSecret: secrets.get(introspection.clientSecret),
      previousSecret: secrets.previous(introspection.clientSecret),
      authentication: introspection.authentication,
      cacheMs: cacheSeconds * 1000,
      negativeCacheMs: negativeCacheSeconds * 1000,
      timeoutMs,
      signed: introspection.signed,
      tokenPrefix: opaque ? (tokenPrefix ?? '') : null,
      always: introspection.always,
    }
  })
}
