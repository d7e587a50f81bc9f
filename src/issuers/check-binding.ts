import type { Binding } from '#core/principal.ts'
import type { Issuer } from './issuer.ts'
import type { TokenFault } from './token-faults.ts'

/** What is wrong with a token that is bound to this, in a word; null = the issuer's rules take it. */
export function checkBinding(binding: Binding | null, { senderConstraint }: Issuer): TokenFault | null {
  // A token that is bound is verified as bound by whatever rule: one that asks for nothing never makes less of it.
  if (senderConstraint === 'none') return null
  if (binding === null) return 'token_not_bound'
  return senderConstraint === 'any' || senderConstraint === binding.kind ? null : 'token_bound_otherwise'
}
