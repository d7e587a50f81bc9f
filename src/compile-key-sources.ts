import type { Config } from '#config/schema.ts'
import type { KeySource } from '#issuers/keys/key-source.ts'

/** Where the keys of the issuers of a configuration are, by the name of the issuer. */
export function compileKeySources(config: Config): ReadonlyMap<string, KeySource> {
  return new Map(
    Object.entries(config.issuers).map(([name, { issuer, jwksUrl, jwksFile, allowPrivateNetwork, jwks }]) => {
      const place = {
        name,
        issuer,
        jwksUrl: jwksUrl ?? null,
        jwksFile: jwksFile ?? null,
        allowPrivateNetwork,
      }
      // A file is read when the configuration is, and good as long.
      const isFile = jwksFile !== undefined
      const life = {
        refreshMs: isFile ? Number.POSITIVE_INFINITY : jwks.refreshSeconds * 1000,
        maxStaleMs: isFile ? Number.POSITIVE_INFINITY : jwks.maxStaleSeconds * 1000,
        refetchMs: jwks.refetchSeconds * 1000,
        refetchBurst: jwks.refetchBurst,
      }
      return [name, { id: JSON.stringify(Object.values(place)), ...place, life }]
    }),
  )
}
