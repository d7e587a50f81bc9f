import type { WholeReply } from '#core/whole-reply.ts'
import { parseStrictJson } from '#http/strict-json.ts'
import { checkHeader } from '#issuers/check-header.ts'
import { findSigner } from '#issuers/find-signer.ts'
import type { Claims } from '#issuers/issuer.ts'
import type { IssuerKeys } from '#issuers/keys/issuer-keys.ts'
import { readToken } from '#issuers/read-token.ts'
import { MAX_ANSWER_BYTES, unavailable } from './ask-introspection.ts'
import type { Introspection } from './introspection.ts'

const MAX_DEPTH = 16
/** RFC 9701 §5: a type of its own, so that such an answer is never taken for an access token, nor the reverse. */
const SIGNED_TYPE = 'token-introspection+jwt'
/** How old a signed answer may be: one that was kept must not bring a revoked token back. */
const MAX_AGE_MS = 60_000

/** What an answer is judged by. */
export interface ReadingContext {
  readonly keys: IssuerKeys
  /** Whose budget of fetches unknown keys are taken of. */
  readonly source: string
  /** When the question was asked, ms since the epoch. */
  readonly askedAt: number
}

/**
 * What an answer says of an active token (RFC 7662 §2.2); null = the token is not active. Rejects with
 * `auth.issuer_unavailable` where it does not tell, with an `IntrospectionTrouble` as the reason.
 */
export async function readIntrospection(
  { headers, body }: Pick<WholeReply, 'headers' | 'body'>,
  introspection: Introspection,
  context: ReadingContext,
): Promise<Claims | null> {
  const type = mediaTypeOf(headers['content-type'])
  let answer: Claims
  if (introspection.signed) {
    if (type !== `application/${SIGNED_TYPE}`) throw unavailable('introspection_unsigned')
    answer = await readSigned(body.toString('latin1').trim(), introspection, context)
  } else {
    if (type !== 'application/json') throw unavailable('introspection_malformed')
    answer = parse(body)
  }
  // A boolean, and nothing that looks like one (§2.2).
  if (typeof answer.active !== 'boolean') throw unavailable('introspection_malformed')
  return answer.active ? answer : null
}

function parse(body: Buffer): Claims {
  try {
    return parseStrictJson(body, MAX_DEPTH).value
  } catch (error) {
    throw unavailable('introspection_malformed', error)
  }
}

/** RFC 9701 §5: signed by the issuer, for this gateway, and about now. */
async function readSigned(
  token: string,
  { issuer, clientId }: Introspection,
  { keys, source, askedAt }: ReadingContext,
): Promise<Claims> {
  const parts = token.length > MAX_ANSWER_BYTES ? 'token_too_long' : readToken(token)
  if (typeof parts === 'string') throw unavailable('introspection_unsigned')
  const header = checkHeader(parts.header, { algorithms: issuer.algorithms, types: new Set([SIGNED_TYPE]) })
  if (typeof header === 'string') {
    throw unavailable(header === 'token_type' ? 'introspection_signed_type' : 'introspection_signature')
  }
  const signer = await findSigner(token, header, { keys, issuer: issuer.name, source })
  if (typeof signer === 'string') throw unavailable('introspection_signature')
  const { iss, aud, iat, token_introspection: answer } = parts.claims
  if (iss !== issuer.issuer) throw unavailable('introspection_signed_issuer')
  // Issuers name this gateway by its client or by the audience of its tokens: both identify who asked.
  const recipients: readonly unknown[] = Array.isArray(aud) ? aud : [aud]
  if (!recipients.some(one => one === clientId || (typeof one === 'string' && issuer.audience.has(one)))) {
    throw unavailable('introspection_signed_audience')
  }
  if (typeof iat !== 'number' || Math.abs(askedAt - iat * 1000) > MAX_AGE_MS + issuer.skewMs) {
    throw unavailable('introspection_signed_time')
  }
  if (typeof answer !== 'object' || answer === null || Array.isArray(answer)) {
    throw unavailable('introspection_malformed')
  }
  return answer as Claims
}

function mediaTypeOf(header: string | string[] | undefined): string {
  return (typeof header === 'string' ? header : '').split(';', 1)[0]?.trim().toLowerCase() ?? ''
}
