import type { Binding, VerifiedIdentity } from '#core/principal.ts'
import { checkBinding } from './check-binding.ts'
import { holds, readClaim, readText } from './claims.ts'
import type { Claims, CompileGrants, Issuer } from './issuer.ts'

/** OpenID Connect Core §2: at most 255 characters; none that a log or a header could stumble over. */
const SUBJECT = /^[\x20-\x7e]{1,255}$/

/**
 * Who the verified claims say the caller is: the issuer with the subject, never an address of e-mail, and what the rules
 * of the issuer give them. A word where they do not say who.
 */
export function makeIdentity(
  claims: Claims,
  issuer: Issuer,
  compileGrants: CompileGrants,
  endsAt: number,
): VerifiedIdentity | string {
  const subject = readText(claims, issuer.claims.subject)
  if (subject === null || !SUBJECT.test(subject)) return 'token_subject'
  const binding = bindingOf(claims.cnf)
  if (typeof binding === 'string') return binding
  const unbound = checkBinding(binding, issuer)
  if (unbound !== null) return unbound
  const rules = issuer.grants.filter(({ when }) => [...when].every(([name, value]) => holds(claims, name, value)))
  return Object.freeze<VerifiedIdentity>({
    kind: issuer.preset.isService(claims) ? 'service' : 'user',
    id: `${issuer.name}:${subject}`,
    project: issuer.project,
    environment: issuer.environment,
    expiresAt: endsAt,
    ceilings: compileGrants({
      scopes: rules.flatMap(({ scopes }) => scopes),
      models: rules.some(({ models }) => models === null) ? null : rules.flatMap(({ models }) => models ?? []),
    }),
    limits: null,
    budgets: null,
    roles: [...new Set(rules.flatMap(({ roles }) => roles))],
    binding,
    token: {
      issuer: issuer.name,
      subject,
      client: readText(claims, issuer.claims.client),
      session: readText(claims, issuer.claims.session),
      tokenId: readText(claims, 'jti'),
      issuedAt: timeOf(claims.iat),
      acr: readText(claims, 'acr'),
      authenticatedAt: timeOf(claims.auth_time),
    },
  })
}

function timeOf(value: unknown): number | null {
  return typeof value === 'number' ? value * 1000 : null
}

/** `cnf` (RFC 7800): what the token is bound to; null = nothing. One that is not understood is refused. */
function bindingOf(cnf: unknown): Binding | null | string {
  if (cnf === undefined) return null
  if (typeof cnf !== 'object' || cnf === null) return 'token_confirmation'
  const jkt = readClaim(cnf as Claims, 'jkt')
  const certificate = readClaim(cnf as Claims, 'x5t#S256')
  const thumbprint = jkt ?? certificate
  const isOne = Object.keys(cnf).length === 1
  if (!isOne || typeof thumbprint !== 'string' || !/^[A-Za-z0-9_-]{43}$/.test(thumbprint)) return 'token_confirmation'
  return { kind: jkt === undefined ? 'certificate' : 'dpop', thumbprint }
}
