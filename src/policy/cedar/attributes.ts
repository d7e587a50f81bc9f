import type { Action } from '#core/action.ts'
import { canonicalAddress } from '#core/canonical-address.ts'
import type { VerifiedIdentity } from '#core/principal.ts'
import type { CallContext } from '#policy/decision.ts'

/** A value as Cedar’s JSON writes it; undefined = the attribute is absent. */
export type Value = boolean | number | string | readonly Value[] | { readonly [member: string]: Value }

interface Attribute {
  /** In the words of the schema. */
  readonly type: string
  readonly optional?: true
  /** Only calls to models or to services have it; left out = all. */
  readonly of?: 'models' | 'services'
  /** All that it can be, where that is a closed list. */
  readonly values?: readonly string[]
  readonly about: string
}

export interface StableAttribute extends Attribute {
  /** Sees nothing but what a remembered decision is remembered by. */
  readonly read: (principal: VerifiedIdentity, action: Action) => Value | undefined
}

export interface VolatileAttribute extends Attribute {
  readonly read: (principal: VerifiedIdentity, call: CallContext) => Value | undefined
}

const environments = ['live', 'test']

/** What `context` says that is the same as long as caller and action are. */
export const stableContext: Readonly<Record<string, StableAttribute>> = {
  scopes: {
    type: 'Set<String>',
    about: 'Scopes that the credential names; none where it is not bounded by scopes.',
    read: ({ ceilings }) => [...(ceilings.scopes ?? [])],
  },
  isScoped: {
    type: 'Bool',
    about: 'Whether the credential names the scopes that this action needs.',
    read: ({ ceilings }, action) =>
      ceilings.scopes !== null && action.scopes.every(scope => ceilings.scopes?.has(scope) === true),
  },
  environment: {
    type: 'String',
    values: environments,
    about: 'Of the credential: `live` or `test`.',
    read: ({ environment }) => environment,
  },
  credential: {
    type: 'String',
    values: ['api_key', 'token'],
    about: 'What the caller presented: `api_key`, or a `token` of an issuer.',
    read: ({ token }) => (token === null ? 'api_key' : 'token'),
  },
  binding: {
    type: 'String',
    optional: true,
    values: ['dpop', 'certificate'],
    about:
      'With what the sender proved that the credential is theirs: `dpop` or `certificate`; absent where it was borne.',
    read: ({ binding }) => binding?.kind,
  },
  acr: {
    type: 'String',
    optional: true,
    about: 'Authentication context class (`acr`) of the token; absent where it does not say.',
    read: ({ token }) => token?.acr ?? undefined,
  },
}

/**
 * What `context` says that may differ from one call to the next: a policy that reads the address alone is asked
 * once for each, one that reads any other at each call.
 */
export const volatileContext: Readonly<Record<string, VolatileAttribute>> = {
  ip: {
    type: 'ipaddr',
    about: 'Address of the client, an IPv4-mapped one as the IPv4 address that it is.',
    read: (_, { address }) => ({ __extn: { fn: 'ip', arg: addressOf(address) } }),
  },
  time: {
    type: 'datetime',
    about: 'When the call began, in UTC.',
    read: (_, { at }) => ({ __extn: { fn: 'datetime', arg: new Date(at).toISOString() } }),
  },
  authenticationAge: {
    type: 'Long',
    optional: true,
    about: 'Seconds since the person logged in (`auth_time` of the token); absent where it does not say.',
    read: ({ token }, { at }) =>
      token?.authenticatedAt == null ? undefined : Math.max(0, Math.floor((at - token.authenticatedAt) / 1000)),
  },
  features: {
    type: 'Set<String>',
    of: 'models',
    values: ['audio', 'files', 'images', 'other', 'stream', 'tools', 'video', 'web_search'],
    about:
      'What the body asks for beyond text: `audio`, `files`, `images`, `stream`, `tools`, `video`, `web_search`; `other` = a kind of content that the gateway does not know.',
    read: (_, { features }) => [...features()],
  },
  method: {
    type: 'String',
    of: 'services',
    about: 'HTTP method, in capitals.',
    read: (_, { method }) => method,
  },
  path: {
    type: 'String',
    of: 'services',
    about: 'Canonical path below the service, without the query.',
    read: (_, { path }) => path,
  },
}

/** What is no address is left as it is: Cedar refuses it, and the call is denied. */
function addressOf(address: string): string {
  return canonicalAddress(address.replace(/%.*$/, '')) ?? address
}

const roleIds = (principal: VerifiedIdentity) =>
  principal.roles.map(id => ({ __entity: { type: 'Ostiary::Role', id } }))

/** Attributes of a principal; those of tokens only users and service accounts have. */
export const principalAttributes: Readonly<
  Record<
    string,
    Attribute & { readonly token?: true; readonly read: (principal: VerifiedIdentity) => Value | undefined }
  >
> = {
  roles: {
    type: 'Set<Role>',
    about: 'Roles of the caller; also their parents: `principal in Ostiary::Role::"…"`.',
    read: roleIds,
  },
  project: {
    type: 'Project',
    about: 'The project of the credential; also a parent: `principal in Ostiary::Project::"proj_…"`.',
    read: ({ project }) => ({ __entity: { type: 'Ostiary::Project', id: project } }),
  },
  environment: {
    type: 'String',
    values: environments,
    about: 'Of the credential: `live` or `test`.',
    read: ({ environment }) => environment,
  },
  issuer: {
    type: 'Issuer',
    token: true,
    about: 'Who issued the token, by its name in the configuration.',
    read: ({ token }) => (token === null ? undefined : { __entity: { type: 'Ostiary::Issuer', id: token.issuer } }),
  },
  subject: { type: 'String', token: true, about: 'Subject of the token.', read: ({ token }) => token?.subject },
  client: {
    type: 'String',
    optional: true,
    token: true,
    about: 'The OAuth client that the token was issued to; absent where it does not say.',
    read: ({ token }) => token?.client ?? undefined,
  },
}
