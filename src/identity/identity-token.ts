import { sign } from 'node:crypto'
import type { VerifiedIdentity } from '#core/principal.ts'
import { type SigningKey, signerAt } from './signing-key.ts'

/** `typ` of identity tokens, by which nothing else takes one for its own (RFC 8725 §3.11). */
const IDENTITY_TOKEN_TYPE = 'ostiary-identity+jwt'

export interface IdentityTokenRules {
  /** `iss`: the gateway, as services know it. */
  readonly issuer: string
  readonly lifetimeSeconds: number
}

/** What one token is for. */
export interface IdentityTokenUse {
  /** Name of the service. */
  readonly service: string
  /** Id of the call: `jti`. */
  readonly callId: string
  /** ms since the epoch. */
  readonly at: number
  /** The only request that it is good for; null = the gateway itself sends it to the service. */
  readonly request: { readonly method: string; readonly uri: string } | null
}

/** Says, signed, who calls a service: a compact JWS (RFC 7515 §7.1). */
export type SignIdentity = (identity: VerifiedIdentity, use: IdentityTokenUse) => string

/** `aud` of a service: names the gateway too, so that no two deployments have one audience. */
function audienceOf(issuer: string, service: string): string {
  return `${issuer}/services/${service}`
}

/** `keys` are those known now, in the order of `activeAt`. */
export function createIdentitySigner(keys: () => readonly SigningKey[], rules: IdentityTokenRules): SignIdentity {
  const { issuer, lifetimeSeconds } = rules
  return (identity, { service, callId, at, request }) => {
    const key = signerAt(keys(), at)
    const issuedAt = Math.floor(at / 1000)
    const { kind, id, roles, project, environment, ceilings, expiresAt, token } = identity
    const ends = expiresAt === null ? Number.POSITIVE_INFINITY : Math.ceil(expiresAt / 1000)
    const claims = {
      iss: issuer,
      aud: audienceOf(issuer, service),
      sub: id,
      subject_type: kind,
      roles,
      // Without the claim there is no ceiling of scopes, and roles decide; an empty list allows nothing that needs one.
      ...(ceilings.scopes !== null && { scopes: [...ceilings.scopes] }),
      project,
      environment,
      ...(token?.client != null && { client: token.client }),
      ...(token?.acr != null && { acr: token.acr }),
      ...(token?.authenticatedAt != null && { auth_time: Math.floor(token.authenticatedAt / 1000) }),
      ...(request !== null && { htm: request.method, htu: request.uri }),
      iat: issuedAt,
      exp: Math.min(issuedAt + lifetimeSeconds, ends),
      jti: callId,
    }
    const content = `${headOf(key)}.${Buffer.from(JSON.stringify(claims)).toString('base64url')}`
    // RFC 7518 §3.4: R and S side by side, not DER.
    const signature = sign('sha256', Buffer.from(content), { key: key.privateKey, dsaEncoding: 'ieee-p1363' })
    return `${content}.${signature.toString('base64url')}`
  }
}

const heads = new WeakMap<SigningKey, string>()

function headOf(key: SigningKey): string {
  let head = heads.get(key)
  if (head === undefined) {
    const header = { alg: 'ES256', typ: IDENTITY_TOKEN_TYPE, kid: key.id }
    head = Buffer.from(JSON.stringify(header)).toString('base64url')
    heads.set(key, head)
  }
  return head
}
