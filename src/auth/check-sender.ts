import type { VerifiedIdentity } from '#core/principal.ts'
import { Problem } from '#core/problems.ts'
import type { CheckSender } from './authenticate.ts'
import type { CertificateThumbprint } from './certificate-thumbprint.ts'
import { type DpopError, dpopChallenge } from './dpop/dpop-challenge.ts'
import { NO_ROOM, type VerifyProof } from './dpop/dpop-verify.ts'

interface SenderOptions {
  readonly verifyProof: VerifyProof
  readonly certificateThumbprint: CertificateThumbprint
}

/**
 * Checks that who sends a bound credential is who it is bound to: by a DPoP proof (RFC 9449 §7), or by the certificate of
 * this connection (RFC 8705 §3). A bound credential that is merely borne is refused, and so is one with a proof
 * that is bound to no key: neither scheme stands in for the other.
 */
export function createCheckSender({ verifyProof, certificateThumbprint }: SenderOptions): CheckSender {
  return (identity, { text, dpop }, req, notes) => {
    const { binding } = identity
    if (dpop) {
      if (binding?.kind !== 'dpop') return refuse('proof_not_bound', identity, 'invalid_token')
      const onNonce = (nonce: string) => {
        notes.dpopNonce = nonce
      }
      const wrong = verifyProof({
        req,
        origin: notes.origin,
        credential: text,
        thumbprint: binding.thumbprint,
        onNonce,
      })
      if (!(wrong instanceof Promise)) return ofProof(wrong, identity)
      return wrong.then(found => ofProof(found, identity))
    }
    if (binding === null) return null
    if (binding.kind === 'dpop') return refuse('proof_as_bearer', identity, null)
    // Of another proxy’s question the connection is the proxy’s.
    const certificate = notes.origin === null ? certificateThumbprint(req) : null
    if (certificate === binding.thumbprint) return null
    return refuse(certificate === null ? 'proof_no_certificate' : 'proof_other_certificate', identity, null)
  }
}

const noRoom = new Problem('auth.too_many_proofs')

function ofProof(wrong: string | null, identity: VerifiedIdentity): Problem | null {
  if (wrong === null) return null
  if (wrong === NO_ROOM) return noRoom
  return refuse(wrong, identity, wrong.startsWith('proof_nonce') ? 'use_dpop_nonce' : 'invalid_dpop_proof')
}

/** The body is that of every bad credential; only who used the scheme `DPoP` is told by the challenge what to do (§7.1). */
function refuse(reason: string, { id }: VerifiedIdentity, error: DpopError | null): Problem {
  const challenge = error && dpopChallenge(error)
  return new Problem('auth.invalid_credential', { reason, credential: id, ...(challenge && { challenge }) })
}
