import { Problem } from '#core/problems.ts'

/** What can be wrong with a JWT, by the word that its event records (`reason`); the caller is never told. */
export const tokenFaults = {
  token_too_long: 'longer than 12,288 characters',
  token_shape: 'not three parts of base64url as it is written (RFC 7515 §2, §7.1)',
  token_encrypted: 'encrypted (RFC 7516)',
  token_json:
    'header or claims are no JSON object, or one that two parsers may read differently (RFC 7519 §4, RFC 8725 §2.6)',
  token_issuer: 'of no configured issuer',
  token_algorithm: 'signed by an algorithm that is not the issuer’s, or not at all',
  token_type: 'of another type (`typ`) than access tokens of the issuer',
  token_critical: 'asks for what is not understood (`crit`, `b64`, `zip`)',
  token_key_id: 'a `kid` that is no text, empty or too long',
  token_key: 'signed by a key that the issuer does not publish',
  token_signature: 'not signed by the key that it names',
  token_no_expiry: 'without `exp`',
  token_no_issue_time: 'without `iat` (RFC 9068 §2.2)',
  token_time: 'times that are no numbers, or end before they begin',
  token_expired: 'expired',
  token_not_yet_valid: 'not valid yet',
  token_issued_in_future: 'issued in the future',
  token_lifetime: 'valid for longer than the configuration takes',
  token_audience: 'meant for somebody else',
  token_required_claim: 'lacks what the configuration requires',
  token_id_token: 'an ID token: it tells a client who signed in, and gives nobody access (RFC 8725 §3.12)',
  token_not_access: 'nothing says that it is an access token',
  token_tenant: 'of another tenant',
  token_version: 'of another version than the issuer’s',
  token_client: 'issued to a client that is not listed, or to two at once',
  token_subject: 'does not say whom it is about',
  token_identifier: 'a client, session or token id that is no text of 1 to 255 printable ASCII characters',
  token_confirmation: 'bound to what is not understood or not said (`cnf`)',
  token_not_bound: 'bound to nothing, where the issuer’s tokens must be',
  token_bound_otherwise: 'bound to another thing than the issuer’s tokens must be',
  token_project: 'of no project',
} as const satisfies Record<`token_${string}`, string>

export type TokenFault = keyof typeof tokenFaults

// Made once: a flood of bad tokens costs no more than looking one up.
const refusals = new Map(
  Object.keys(tokenFaults).map(reason => [reason, new Problem('auth.invalid_credential', { reason })]),
)

export function refuseToken(fault: TokenFault): Problem {
  return refusals.get(fault) as Problem
}
