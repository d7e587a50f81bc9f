import type { WrittenCase } from '#config/policy-cases.ts'
import { modelActions } from '#core/action.ts'
import { parseCidr } from '#core/cidr.ts'
import type { TokenFacts, VerifiedIdentity } from '#core/principal.ts'
import type { Vocabulary } from '#policy/cedar/vocabulary.ts'
import { compileCeilings } from '#policy/compile-ceilings.ts'
import { type Refuse, requireKnown } from './compile-question.ts'

/** A caller in words, of whom nobody has proved anything. */
export type DescribedCaller = WrittenCase['principal']

const KINDS = { key: 'api_key', user: 'user', service: 'service' } as const
const SECOND_MS = { s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const

/**
 * The caller as a verified credential would make them, so that policies see what they see of a call. `at` is the time of the
 * call, ms since the epoch. What nobody could be is refused: a role that nobody has, an issuer that is not configured.
 */
export function describeCaller(
  described: DescribedCaller,
  { roles, actions, issuers }: Vocabulary,
  at: number,
  refuse: Refuse,
): VerifiedIdentity {
  const all = [...actions, ...modelActions]
  if (!/^proj_[a-z0-9_]{1,64}$/.test(described.project)) refuse('project', 'must be the id of a project, `proj_…`')
  requireKnown('role', 'roles', described.roles, roles, refuse)
  requireKnown(
    'scope',
    'scopes',
    described.scopes,
    all.flatMap(({ scopes }) => scopes),
    refuse,
  )
  requireKnown(
    'action',
    'operations',
    described.operations,
    all.map(({ id }) => id),
    refuse,
  )
  for (const cidr of described.cidrs ?? []) {
    const fault = parseCidr(cidr)
    if (typeof fault === 'string') refuse('cidrs', `${JSON.stringify(cidr)} ${fault}`)
  }
  const token =
    described.kind === 'key' ? refuseTokenMembers(described, refuse) : tokenOf(described, issuers, at, refuse)
  const { scopes = null, models = null, operations = null, cidrs = null } = described
  return {
    kind: KINDS[described.kind],
    id: idOf(described, token),
    project: described.project,
    environment: described.environment,
    expiresAt: null,
    ceilings: compileCeilings({ scopes, models, operations, addresses: [{ allow: cidrs, deny: null }] }),
    limits: null,
    budgets: null,
    roles: described.roles,
    tags: described.tags,
    binding: described.binding === undefined ? null : { kind: described.binding, thumbprint: 'A'.repeat(43) },
    token,
  }
}

function idOf({ kind, id }: DescribedCaller, token: TokenFacts | null): string {
  if (token === null) return id ?? `key_${'0'.repeat(26)}`
  return `${token.issuer}${kind === 'service' ? '/' : ':'}${token.subject}`
}

/** A key says nothing of a login. */
function refuseTokenMembers(described: DescribedCaller, refuse: Refuse): null {
  for (const member of ['issuer', 'client', 'acr', 'authenticatedAgo'] as const) {
    if (described[member] !== undefined) refuse(member, 'must not be set: a key is no token')
  }
  return null
}

function tokenOf(described: DescribedCaller, issuers: readonly string[], at: number, refuse: Refuse): TokenFacts {
  const [only, ...more] = issuers
  const issuer = described.issuer ?? (more.length === 0 ? only : undefined)
  if (only === undefined) refuse('kind', 'is of callers with tokens, but the configuration has no issuer of tokens')
  else if (issuer === undefined) refuse('issuer', `is missing: there are ${issuers.join(', ')}`)
  else requireKnown('issuer', 'issuer', [issuer], issuers, refuse)
  if (Object.keys(described.tags).length > 0) refuse('tags', 'must not be set: only keys have metadata')
  return {
    issuer: issuer ?? '',
    subject: described.id ?? 'somebody',
    client: described.client ?? null,
    session: null,
    tokenId: null,
    issuedAt: at,
    acr: described.acr ?? null,
    authenticatedAt: described.authenticatedAgo === undefined ? null : at - spanOf(described.authenticatedAgo),
  }
}

function spanOf(text: string): number {
  return Number(text.slice(0, -1)) * SECOND_MS[text.slice(-1) as keyof typeof SECOND_MS]
}
