import type { Preset } from './issuer.ts'

const generic: Preset = {
  algorithms: ['RS256'],
  types: ['at+jwt'],
  claims: { subject: 'sub', client: 'client_id', session: 'sid' },
  check: () => null,
  isService: claims => typeof claims.sub === 'string' && claims.sub === claims.client_id,
}

/** What is known of each provider, by the name of its preset. */
export const presets = {
  generic,
  auth0: generic,
  okta: generic,
  cognito: generic,
  entra: generic,
  google: generic,
  keycloak: generic,
  'github-actions': generic,
  kubernetes: generic,
} satisfies Record<string, Preset>

export type PresetName = keyof typeof presets
