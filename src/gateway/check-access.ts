import { Problem } from '#core/problems.ts'

/** Throws `request.client_address` where nobody knows who calls, `policy.address` where nobody may call from there. */
export function checkAccess(client: string | Problem, allows: ((address: string) => boolean) | null): void {
  if (client instanceof Problem) throw client
  if (allows !== null && !allows(client)) throw DENIED
}

// Made once: what a flood meets must cost little, and the answer is the same for all.
const DENIED = new Problem('policy.address', { reason: 'access' })
