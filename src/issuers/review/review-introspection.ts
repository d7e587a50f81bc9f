import { randomBytes } from 'node:crypto'
import type { Clock } from '#core/clock.ts'
import { Problem } from '#core/problems.ts'
import { askIntrospection } from '#issuers/introspection/ask-introspection.ts'
import type { Introspection, IntrospectionTrouble } from '#issuers/introspection/introspection.ts'
import { readIntrospection } from '#issuers/introspection/read-introspection.ts'
import type { IssuerKeys } from '#issuers/keys/issuer-keys.ts'
import type { Finding } from './finding.ts'

const BADLY_SIGNED = 'Its answer is not signed as `introspection.signed` asks (RFC 9701 §5):'

/** Each makes that calls are answered 503. */
const TROUBLES: Readonly<Record<Exclude<IntrospectionTrouble, 'introspection_rejected'>, string>> = {
  introspection_unreachable:
    'Its introspection endpoint cannot be reached. Check `introspection.url`, and `allowPrivateNetwork`.',
  introspection_timeout: 'Its introspection endpoint did not answer within `introspection.timeoutMs`.',
  introspection_broken: 'The answer of its introspection endpoint broke off, or was no HTTP.',
  introspection_redirect:
    'Its introspection endpoint redirects, which is not followed. Write where it leads into `introspection.url`.',
  introspection_status: 'Its introspection endpoint answers with an error, not with 200. Check `introspection.url`.',
  introspection_client_refused:
    'Its introspection endpoint refuses the gateway’s client. Check `introspection.clientId`, `clientSecret` and `authentication`, and that the client may introspect there.',
  introspection_too_large: 'The answer of its introspection endpoint is larger than 64 KiB. Check `introspection.url`.',
  introspection_malformed:
    'The answer of its introspection endpoint is not what RFC 7662 says, or it called a made-up token active. Check `introspection.url`.',
  introspection_unsigned: `${BADLY_SIGNED} it is no signed JWT of the media type \`application/token-introspection+jwt\`.`,
  introspection_signature: `${BADLY_SIGNED} the signature is not by one of its keys and \`algorithms\`.`,
  introspection_signed_type: `${BADLY_SIGNED} its \`typ\` is not \`token-introspection+jwt\`.`,
  introspection_signed_issuer: `${BADLY_SIGNED} its \`iss\` is not \`issuer\`.`,
  introspection_signed_audience: `${BADLY_SIGNED} its \`aud\` is neither \`introspection.clientId\` nor one of \`audience\`.`,
  introspection_signed_time: `${BADLY_SIGNED} its \`iat\` is not of now. Set the clocks by NTP.`,
}

/** Asks the endpoint about a token that nobody has issued: what is wrong, or that it works. */
export async function reviewIntrospection(
  introspection: Introspection,
  keys: IssuerKeys,
  clock: Clock,
): Promise<Finding> {
  const madeUp = (introspection.tokenPrefix ?? '') + randomBytes(24).toString('base64url')
  const askedAt = clock()
  try {
    const reply = await askIntrospection(introspection, madeUp, askedAt)
    const claims = await readIntrospection(reply, introspection, { keys, source: '', askedAt })
    if (claims !== null) return toFinding('introspection_malformed')
  } catch (error) {
    if (!(error instanceof Problem)) throw error
    // What is not of the endpoint is of the keys that its signature needs.
    return toFinding(error.reason ?? 'introspection_signature')
  }
  const text = 'Its introspection endpoint works: it took the gateway’s client, and called a made-up token not active.'
  return { level: 'info', code: 'introspection_works', text }
}

function toFinding(reason: string): Finding {
  if (reason === 'introspection_rejected') {
    const text =
      'Its introspection endpoint rejects a question about a made-up token (400). Calls with tokens that it rejects so are answered 503, not 401.'
    return { level: 'warning', code: reason, text }
  }
  const trouble = Object.hasOwn(TROUBLES, reason) ? (reason as keyof typeof TROUBLES) : 'introspection_signature'
  return { level: 'error', code: trouble, text: TROUBLES[trouble] }
}
