import type { Config } from '#config/schema.ts'
import type { Issuer } from '#issuers/issuer.ts'
import { presets } from '#issuers/presets.ts'

/** The issuers of a configuration with their presets, as tokens are judged by them. */
export function compileIssuers(config: Config): Issuer[] {
  return Object.entries(config.issuers).map(([name, issuer]) => {
    const preset = presets[issuer.preset]
    return {
      name,
      issuer: issuer.issuer,
      audience: new Set(issuer.audience),
      algorithms: new Set(issuer.algorithms ?? preset.algorithms),
      types: new Set((issuer.types ?? preset.types).map(type => type.toLowerCase())),
      skewMs: issuer.clockSkewSeconds * 1000,
      maxLifetimeMs: issuer.maxLifetimeSeconds * 1000,
      preset,
      claims: { ...preset.claims, ...issuer.claims },
      requiredClaims: new Map(Object.entries(issuer.requiredClaims)),
      senderConstraint: issuer.senderConstraint,
      project: issuer.project,
      environment: issuer.environment,
      grants: issuer.grants.map(({ when, scopes, roles, models }) => ({
        when: new Map(Object.entries(when)),
        scopes,
        roles,
        models: models ?? null,
      })),
    }
  })
}
