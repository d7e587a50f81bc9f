import { compactVerify, errors } from 'jose'
import type { TokenHeader } from './check-header.ts'
import type { IssuerKey, IssuerKeys } from './keys/issuer-keys.ts'
import type { TokenFault } from './token-faults.ts'

/**
 * The key of the issuer that signed a token, or what is wrong. Each key is good for one algorithm, its own: that a token
 * names another decides nothing (RFC 8725 §3.1). Rejects with `auth.issuer_unavailable` where no keys can be had.
 */
export async function findSigner(
  token: string,
  { algorithm, keyId }: TokenHeader,
  {
    keys,
    issuer,
    source,
  }: { readonly keys: Pick<IssuerKeys, 'find'>; readonly issuer: string; readonly source: string },
): Promise<IssuerKey | TokenFault> {
  const candidates = await keys.find({ issuer, source, keyId, algorithm })
  if (candidates.length === 0) return 'token_key'
  for (const candidate of candidates) if (await isSigned(token, candidate)) return candidate
  return 'token_signature'
}

async function isSigned(token: string, { key, algorithm }: IssuerKey): Promise<boolean> {
  try {
    await compactVerify(token, key, { algorithms: [algorithm] })
    return true
  } catch (error) {
    // A key that does not fit its algorithm (too short an RSA key, another curve) verifies nothing.
    if (error instanceof errors.JOSEError || error instanceof TypeError) return false
    throw error
  }
}
