/** Signatures that proofs of possession may have (RFC 7518 §3.1, RFC 8037, RFC 9864): asymmetric ones only. */
export const dpopAlgorithms = ['ES256', 'ES384', 'EdDSA', 'Ed25519', 'PS256', 'RS256'] as const

export type DpopAlgorithm = (typeof dpopAlgorithms)[number]
