import type { Faults } from './faults.ts'
import type { Draft } from './rules.ts'

/** Where the keys of an issuer are is said once. */
export function checkIssuerKeys(draft: Draft, faults: Faults): void {
  for (const [name, issuer] of Object.entries(draft.issuers ?? {})) {
    if (issuer?.jwksFile !== undefined && issuer.jwksUrl !== undefined) {
      faults.add(['issuers', name, 'jwksFile'], 'must not be set beside jwksUrl: keys are taken from one place')
    }
  }
}
