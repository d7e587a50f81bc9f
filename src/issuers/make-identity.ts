import type { Binding, TokenFacts, VerifiedIdentity } from '#core/principal.ts'
import { checkBinding } from './check-binding.ts'
import { holdsAll, readClaim, readIdentifier } from './claims.ts'
import type { Claims, CompileGrants, GrantRule, Issuer } from './issuer.ts'
import type { TokenFault } from './token-faults.ts'

/**
 * Who the verified claims say the caller is: the issuer with the subject, never an address of e-mail, and what the rules
 * of the issuer give them; or what is wrong with that.
 */
export function makeIdentity(
  claims: Claims,
  issuer: Issuer,
  compileGrants: CompileGrants,
  endsAt: number,
): VerifiedIdentity | TokenFault {
  const token = readFacts(claims, issuer)
  if (typeof token === 'string') return token
  if (issuer.clientIds !== null && (token.client === null || !issuer.clientIds.has(token.client))) return 'token_client'
  const binding = bindingOf(claims.cnf)
  if (typeof binding === 'string') return binding
  const unbound = checkBinding(binding, issuer)
  if (unbound !== null) return unbound
  const place = issuer.projects.find(({ when }) => holdsAll(claims, when)) ?? issuer
  if (place.project === null) return 'token_project'
  const rules = issuer.grants.filter(({ when }) => holdsAll(claims, when))
  const isService = issuer.preset.isService(claims, token)
  return Object.freeze<VerifiedIdentity>({
    kind: isService ? 'service' : 'user',
    // A client that is named like a person's subject is nobody's double (RFC 9068 §5): what stands between tells them apart.
    id: `${issuer.name}${isService ? '/' : ':'}${token.subject}`,
    project: place.project,
    environment: place.environment,
    expiresAt: endsAt,
    ceilings: compileGrants({ scopes: scopesOf(rules), models: modelsOf(rules) }),
    limits: null,
    budgets: null,
    roles: [...new Set(rules.flatMap(({ roles }) => roles))],
    tags: {},
    binding,
    token,
  })
}

/** What the rules name together. Rules that name roles and no scope leave it to the policies what these may do. */
function scopesOf(rules: readonly GrantRule[]): readonly string[] | null {
  const scopes = rules.flatMap(rule => rule.scopes)
  return scopes.length === 0 && rules.some(({ roles }) => roles.length > 0) ? null : scopes
}

/** What any of the rules names; only where none names any are there no bounds. */
function modelsOf(rules: readonly GrantRule[]): readonly string[] | null {
  const named = rules.map(({ models }) => models).filter(models => models !== null)
  return named.length === 0 ? null : named.flat()
}

function readFacts(claims: Claims, { name, claims: names }: Issuer): TokenFacts | TokenFault {
  const subject = readIdentifier(claims, names.subject)
  if (typeof subject !== 'string') return 'token_subject'
  const client = readIdentifier(claims, names.client)
  const others = names.client.map(one => readClaim(claims, one)).filter(value => value !== undefined)
  if (client === undefined || others.some(other => other !== client)) return 'token_client'
  const session = readIdentifier(claims, names.session)
  const tokenId = readIdentifier(claims, ['jti'])
  const acr = readIdentifier(claims, ['acr'])
  if (session === undefined || tokenId === undefined || acr === undefined) return 'token_identifier'
  const [issuedAt, authenticatedAt] = [timeOf(claims.iat), timeOf(claims.auth_time)]
  return { issuer: name, subject, client, session, tokenId, issuedAt, acr, authenticatedAt }
}

function timeOf(value: unknown): number | null {
  return typeof value === 'number' ? value * 1000 : null
}

/** `cnf` (RFC 7800): what the token is bound to; null = nothing. One that is not understood is refused. */
export function bindingOf(cnf: unknown): Binding | null | TokenFault {
  if (cnf === undefined) return null
  if (typeof cnf !== 'object' || cnf === null) return 'token_confirmation'
  const jkt = readClaim(cnf as Claims, 'jkt')
  const certificate = readClaim(cnf as Claims, 'x5t#S256')
  const thumbprint = jkt ?? certificate
  const isOne = Object.keys(cnf).length === 1
  if (!isOne || typeof thumbprint !== 'string' || !/^[A-Za-z0-9_-]{43}$/.test(thumbprint)) return 'token_confirmation'
  return { kind: jkt === undefined ? 'certificate' : 'dpop', thumbprint }
}
