import { scopes as modelScopes } from '#core/operations.ts'
import { actionsOfServices } from '#core/service-actions.ts'
import type { Faults, Path } from './faults.ts'
import { suggest } from './nearest.ts'
import type { Draft } from './rules.ts'
import { checkModels } from './rules-limits.ts'

type IssuerDraft = NonNullable<NonNullable<Draft['issuers']>[string]>
type Condition = Readonly<Record<string, string | undefined>>
/** Rules as they are left when what does not fit the schema is gone. */
type Rules<Name extends 'grants' | 'projects'> = readonly Partial<NonNullable<IssuerDraft[Name]>[number]>[] | undefined

/** Refuses what would let strangers in, and what could never let anybody in. `open` = every model may be named. */
export function checkIssuers(draft: Draft, open: boolean, faults: Faults): void {
  const namesOf = new Map<string, string>()
  for (const [name, issuer] of Object.entries(draft.issuers ?? {})) {
    if (issuer === undefined) continue
    const path = ['issuers', name]
    const twin = issuer.issuer === undefined ? undefined : namesOf.get(issuer.issuer)
    if (twin !== undefined) {
      faults.add([...path, 'issuer'], `is that of issuers.${twin} already: of two nobody could say whose a token is`)
    } else if (issuer.issuer !== undefined) namesOf.set(issuer.issuer, name)
    checkOwnName(issuer, draft, path, faults)
    checkAddressees(issuer, path, faults)
    checkTenant(issuer, path, faults)
    checkProvider(issuer, path, faults)
    checkSignatures(issuer, path, faults)
    checkTypes(issuer, path, faults)
    checkSender(issuer, path, faults)
    checkIdentity(issuer, path, faults)
    checkGrants(issuer, draft, open, path, faults)
    checkProjects(issuer, path, faults)
  }
}

/** Tokens that the gateway makes for services give nobody access to the gateway. */
function checkOwnName({ issuer }: IssuerDraft, { identity, listeners }: Draft, path: Path, faults: Faults): void {
  const { url, host, port } = listeners?.public ?? {}
  const own = identity?.issuer ?? url ?? `http://${host?.includes(':') ? `[${host}]` : host}:${port}`
  if (issuer !== undefined && URL.parse(issuer)?.href === URL.parse(own)?.href) {
    faults.add([...path, 'issuer'], 'is the gateway itself, whose tokens are for services and give no access here')
  }
}

function checkAddressees({ preset, audience, clientIds, claims }: IssuerDraft, path: Path, faults: Faults): void {
  if (audience?.length === 0) faults.add([...path, 'audience'], 'must name an audience')
  if (clientIds?.length === 0) faults.add([...path, 'clientIds'], 'must name a client, or be left out')
  if (preset === 'cognito' && clientIds === undefined) {
    faults.add(
      [...path, 'clientIds'],
      'is missing: access tokens of Cognito name no audience, so that every client’s would be taken',
    )
  }
  if (preset !== 'cognito' && audience === undefined) {
    faults.add([...path, 'audience'], 'is missing: tokens that were meant for somebody else would be taken')
  }
  const namesNoClient = preset === 'github-actions' || preset === 'kubernetes'
  if (namesNoClient && clientIds !== undefined && claims?.client === undefined) {
    faults.add([...path, 'clientIds'], 'can never apply: tokens of this provider name no client')
  }
}

function checkTenant({ preset, tenant, issuer }: IssuerDraft, path: Path, faults: Faults): void {
  if (preset !== 'entra') {
    if (tenant !== undefined) faults.add([...path, 'tenant'], 'must not be set: only `entra` has tenants')
    return
  }
  if (tenant === undefined)
    faults.add([...path, 'tenant'], 'is missing: the id of the one tenant whose tokens are taken')
  if (
    tenant === undefined ||
    issuer === undefined ||
    [`/${tenant}/`, `/${tenant}/v2.0`].includes(new URL(issuer).pathname)
  )
    return
  faults.add(
    [...path, 'issuer'],
    `must end in /${tenant}/v2.0, or, for tokens of version 1.0, in /${tenant}/: the tenant’s own issuer`,
  )
}

/** Issuers that sign for the whole world: being well signed and meant for us says nothing of who it is. */
const ISSUERS_OF_ALL = {
  google: {
    issuer: 'https://accounts.google.com',
    // Not `azp`: whoever has an account can log in to that client.
    pins: ['hd', 'sub'],
    whose: 'of anybody at Google have this issuer, and any audience that they ask for',
  },
  'github-actions': {
    issuer: 'https://token.actions.githubusercontent.com',
    pins: [
      'repository_owner_id',
      'repository_owner',
      'repository_id',
      'repository',
      'enterprise_id',
      'enterprise',
      'sub',
    ],
    whose: 'of every repository at GitHub have this issuer, and any audience that they ask for',
  },
} as const

function checkProvider({ preset, issuer, requiredClaims, grants }: IssuerDraft, path: Path, faults: Faults): void {
  for (const [name, { issuer: shared }] of Object.entries(ISSUERS_OF_ALL)) {
    if (issuer === shared && preset !== undefined && preset !== name) {
      faults.add([...path, 'preset'], `must be \`${name}\`: this is its issuer, which signs for everybody`)
    }
  }
  if (preset === 'okta' && issuer !== undefined && !new URL(issuer).pathname.startsWith('/oauth2/')) {
    faults.add(
      [...path, 'issuer'],
      'must be that of a custom authorization server, which ends in /oauth2/ and its id: tokens of the org server are for Okta itself',
    )
  }
  if (preset !== 'google' && preset !== 'github-actions') return
  const { pins, whose } = ISSUERS_OF_ALL[preset]
  const isPinned = (claims: Condition | undefined) => pins.some(pin => claims?.[pin] !== undefined)
  if (isPinned(requiredClaims) || isPinnedByAll(grants, isPinned)) return
  const named = pins.map(pin => `\`${pin}\``).join(', ')
  faults.add([...path, 'requiredClaims'], `must say whose tokens are taken, by one of ${named}: those ${whose}`)
}

function isPinnedByAll(grants: Rules<'grants'>, isPinned: (claims: Condition | undefined) => boolean): boolean {
  return grants !== undefined && grants.length > 0 && grants.every(({ when }) => isPinned(when))
}

const ALWAYS_RS256 = ['cognito', 'entra', 'google', 'github-actions']

function checkSignatures({ preset, algorithms }: IssuerDraft, path: Path, faults: Faults): void {
  if (algorithms?.length === 0) faults.add([...path, 'algorithms'], 'must name an algorithm, or be left out')
  if (preset === undefined || !ALWAYS_RS256.includes(preset)) return
  for (const [index, algorithm] of (algorithms ?? []).entries()) {
    if (algorithm === 'RS256') continue
    faults.add([...path, 'algorithms', String(index)], `can never apply: \`${preset}\` signs with RS256 only`)
  }
}

/** Types that say of a JWT that it is something else than an access token. */
const OF_OTHER_THINGS = [
  'ostiary-identity+jwt',
  'dpop+jwt',
  'id+jwt',
  'idtoken+jwt',
  'logout+jwt',
  'secevent+jwt',
  'token-introspection+jwt',
  'oauth-authz-req+jwt',
  'client-authentication+jwt',
  'kb+jwt',
  'refresh+jwt',
]

function checkTypes({ types }: IssuerDraft, path: Path, faults: Faults): void {
  if (types?.length === 0) faults.add([...path, 'types'], 'must name a type, or be left out')
  const seen = new Set<string>()
  for (const [index, written] of (types ?? []).entries()) {
    const inside = [...path, 'types', String(index)]
    const type = written.toLowerCase().replace(/^application\//, '')
    if (!/^[a-z0-9][a-z0-9!#$&^_.+-]*$/.test(type)) {
      faults.add(inside, 'must be a media type without `application/`, such as `at+jwt`, or `untyped`')
    } else if (OF_OTHER_THINGS.includes(type)) {
      faults.add(inside, 'is a type of other tokens than access tokens')
    } else if (seen.has(type)) faults.add(inside, 'is named already: types are compared without case')
    seen.add(type)
  }
}

/** Who could never prove what is asked for would be refused at each call. */
function checkSender({ senderConstraint }: IssuerDraft, path: Path, faults: Faults): void {
  if (senderConstraint !== 'certificate') return
  faults.add(
    [...path, 'senderConstraint'],
    'must not be `certificate` yet: the gateway ends no TLS, so that no certificate can be shown',
  )
}

/** Names by which people are called, which change hands: whoever is called so next would be the same caller. */
const NAMES_OF_PEOPLE = ['email', 'upn', 'preferred_username', 'unique_name', 'name', 'nickname', 'phone_number']

function checkIdentity({ claims, requiredClaims, grants, projects }: IssuerDraft, path: Path, faults: Faults): void {
  if (claims?.subject !== undefined && NAMES_OF_PEOPLE.includes(claims.subject)) {
    faults.add([...path, 'claims', 'subject'], 'must not be a name that can change hands; `sub` stays')
  }
  for (const [name, claim] of Object.entries(claims ?? {})) checkPointer(claim, [...path, 'claims', name], faults)
  const conditions: [Condition | undefined, Path][] = [
    [requiredClaims, [...path, 'requiredClaims']],
    ...conditionsOf(grants, [...path, 'grants']),
    ...conditionsOf(projects, [...path, 'projects']),
  ]
  for (const [condition, inside] of conditions) {
    for (const claim of Object.keys(condition ?? {})) checkPointer(claim, [...inside, claim], faults)
    if (condition?.email === undefined || condition.email_verified === 'true') continue
    if (requiredClaims?.email_verified === 'true') continue
    faults.add([...inside, 'email'], 'counts only with `email_verified: "true"` beside it: anybody can say an address')
  }
}

function conditionsOf(rules: Rules<'grants' | 'projects'>, path: Path): [Condition | undefined, Path][] {
  return (rules ?? []).map(({ when }, index) => [when, [...path, String(index), 'when']])
}

/** RFC 6901 §3. */
function checkPointer(claim: string | undefined, path: Path, faults: Faults): void {
  if (claim?.startsWith('/') && !/^(\/([^~/]|~[01])+)+$/.test(claim)) {
    faults.add(path, 'is no JSON Pointer: names of members, each after a `/`; in a name `~0` is `~` and `~1` is `/`')
  }
}

function checkGrants({ grants }: IssuerDraft, draft: Draft, open: boolean, path: Path, faults: Faults): void {
  const rules: Rules<'grants'> = grants
  const ofServices = actionsOfServices(draft.services ?? {}).flatMap(({ scopes }) => scopes)
  const known = new Set([...modelScopes, ...ofServices])
  for (const [index, { scopes = [], roles = [], models }] of (rules ?? []).entries()) {
    const inside = [...path, 'grants', String(index)]
    for (const [at, scope] of scopes.entries()) {
      if (known.has(scope)) continue
      const hint = suggest(scope, [...known])
      faults.add([...inside, 'scopes', String(at)], `there is no scope of this name${hint}`)
    }
    checkModels(models, draft, open, [...inside, 'models'], faults)
    if (scopes.length === 0 && roles.length === 0 && models === undefined) {
      faults.add(inside, 'gives nothing: it names no scope, no role and no model')
    }
  }
}

function checkProjects({ projects }: IssuerDraft, path: Path, faults: Faults): void {
  const rules: Rules<'projects'> = projects
  const forAll = (rules ?? []).findIndex(({ when }) => when !== undefined && Object.keys(when).length === 0)
  if (forAll === -1 || forAll === (rules ?? []).length - 1) return
  faults.add(
    [...path, 'projects', String(forAll + 1)],
    `can never apply: projects[${forAll}], which has no \`when\`, fits every token`,
  )
}
