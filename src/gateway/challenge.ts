import { dpopChallenge } from '#auth/dpop/dpop-challenge.ts'
import type { Problem } from '#core/problems.ts'
import type { Call } from './call.ts'

const NONE: readonly string[] = []
const BEARER_ERROR = 'error="invalid_token", error_description="The credential is not valid"'
/** A credential was presented with a proof of possession: the challenge is of the same scheme (RFC 9449 §7.1). */
const WITH_PROOF = /(?:^|,) *dpop +[^ ]/i

/** Names and values of what tells a caller how to authenticate: a challenge beside each 401, and a nonce for proofs. */
export function challengeHeaders(call: Call, problem: Problem): readonly string[] {
  if (problem.status !== 401) return nonceHeader(call)
  return ['www-authenticate', challengeOf(call, problem), ...nonceHeader(call)]
}

/** The nonce that the caller's proofs are to contain from now on, if it is another (RFC 9449 §8.2, §9); else nothing. */
export function nonceHeader({ dpopNonce }: Call): readonly string[] {
  return dpopNonce === null ? NONE : ['dpop-nonce', dpopNonce]
}

/**
 * RFC 6750 §3.1: no error code where no credential was sent. RFC 9728 §5.1: where to learn who gives out tokens, if anybody does.
 */
function challengeOf({ req, resourceMetadataUrl }: Call, problem: Problem): string {
  const where = resourceMetadataUrl === null ? '' : `, resource_metadata="${resourceMetadataUrl}"`
  if (problem.code === 'auth.missing_credential') return `Bearer realm="ostiary"${where}`
  const isProved = WITH_PROOF.test(req.headers.authorization ?? '')
  const error = problem.challenge ?? (isProved ? dpopChallenge('invalid_token') : BEARER_ERROR)
  return `${isProved ? 'DPoP' : 'Bearer'} realm="ostiary", ${error}${where}`
}
