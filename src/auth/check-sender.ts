import { Problem } from '#core/problems.ts'
import type { CheckSender } from './authenticate.ts'

/** Refuses what is bound: no proof of possession can be checked yet. */
export const checkSender: CheckSender = identity =>
  new Problem('auth.invalid_credential', { reason: identity.binding === null ? 'proof_not_bound' : 'proof_missing' })
