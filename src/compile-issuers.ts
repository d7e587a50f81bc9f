import { dpopAlgorithms } from '#auth/dpop/dpop-algorithms.ts'
import type { Config } from '#config/schema.ts'
import type { AuthenticationRequirement } from '#core/login-strength.ts'
import { actionsOfServices } from '#core/service-actions.ts'
import { makeResourceMetadata, type ResourceMetadata } from '#gateway/resource-metadata.ts'
import type { ClaimNames, Issuer } from '#issuers/issuer.ts'
import { presets } from '#issuers/presets.ts'

type IssuerConfig = Config['issuers'][string]

/** The issuers of a configuration with their presets, as tokens are judged by them. */
export function compileIssuers(config: Config): Issuer[] {
  return Object.entries(config.issuers).map(([name, issuer]) => {
    const preset = presets[issuer.preset]
    return {
      name,
      issuer: issuer.issuer,
      audience: new Set(issuer.audience),
      clientIds: issuer.clientIds === undefined ? null : new Set(issuer.clientIds),
      tenant: issuer.tenant ?? null,
      algorithms: new Set(issuer.algorithms ?? preset.algorithms),
      types: new Set<string | null>(issuer.types?.map(compileType) ?? preset.types),
      skewMs: issuer.clockSkewSeconds * 1000,
      maxLifetimeMs: issuer.maxLifetimeSeconds * 1000,
      preset,
      claims: compileNames(preset.claims, issuer.claims),
      requiredClaims: new Map(Object.entries(issuer.requiredClaims)),
      senderConstraint: issuer.senderConstraint,
      projects: issuer.projects.map(({ when, project, environment }) => ({
        when: new Map(Object.entries(when)),
        project,
        environment: environment ?? issuer.environment,
      })),
      // Whoever maps projects means those that are mapped, unless another is said.
      project: issuer.project ?? (issuer.projects.length === 0 ? 'proj_default' : null),
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

/** What is asked of logins, by the name of the issuer; those that ask nothing are not in it. */
export function compileLogins({ issuers }: Config): ReadonlyMap<string, AuthenticationRequirement> {
  return new Map(
    Object.entries(issuers)
      .map(([name, { authentication }]) => [name, authentication] as const)
      .filter(([, { acrValues, maxAgeSeconds }]) => acrValues.length > 0 || maxAgeSeconds !== null),
  )
}

/** They give tokens to the programs that run there, and have nowhere that a client could ask for one. */
const WITHOUT_CLIENTS = new Set(['github-actions', 'kubernetes'])

/** null = no tokens are taken. */
export function compileResourceMetadata({ issuers, services }: Config, resource: string): ResourceMetadata | null {
  const all = Object.values(issuers)
  if (all.length === 0) return null
  return makeResourceMetadata({
    resource,
    authorizationServers: all.filter(({ preset }) => !WITHOUT_CLIENTS.has(preset)).map(({ issuer }) => issuer),
    serviceScopes: actionsOfServices(services).flatMap(({ scopes }) => scopes),
    dpopAlgorithms,
    dpopRequired: all.every(({ senderConstraint }) => senderConstraint === 'dpop'),
  })
}

function compileType(type: string): string | null {
  return type === 'untyped' ? null : type.toLowerCase().replace(/^application\//, '')
}

function compileNames(preset: ClaimNames, { subject, client, session }: IssuerConfig['claims']): ClaimNames {
  const one = (name: string | undefined, otherwise: readonly string[]) => (name === undefined ? otherwise : [name])
  return {
    subject: one(subject, preset.subject),
    client: one(client, preset.client),
    session: one(session, preset.session),
  }
}
