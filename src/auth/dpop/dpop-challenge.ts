import { dpopAlgorithms } from './dpop-algorithms.ts'

const DESCRIPTIONS = {
  invalid_token: 'The credential is not valid',
  invalid_dpop_proof: 'The proof of possession is not valid',
  use_dpop_nonce: 'The proof needs the nonce in DPoP-Nonce',
} as const

export type DpopError = keyof typeof DESCRIPTIONS

/** Parameters of the challenge `DPoP` for a credential that was presented with that scheme (RFC 9449 §7.1, §9). */
export function dpopChallenge(error: DpopError): string {
  return `error="${error}", error_description="${DESCRIPTIONS[error]}", algs="${dpopAlgorithms.join(' ')}"`
}
