import { hash, randomUUID } from 'node:crypto'
import { calculateJwkThumbprint, exportJWK, generateKeyPair, type JWK, SignJWT } from 'jose'
import { type DpopAlgorithm, dpopAlgorithms } from './dpop-algorithms.ts'

/** A caller's key, and how it makes proofs with it. */
export interface Prover {
  readonly thumbprint: string
  readonly jwk: JWK
  readonly privateJwk: JWK
  /** A proof for this request and credential; `claims` and `header` replace what it would say, undefined leaves it out. */
  prove(request: ProofRequest): Promise<string>
}

export interface ProofRequest {
  readonly url: string
  readonly credential: string
  readonly method?: string
  readonly claims?: Readonly<Record<string, unknown>>
  readonly header?: Readonly<Record<string, unknown>>
}

/** Made with jose alone, as a client would: nothing of the gateway's own is used. */
export async function newProver(alg: DpopAlgorithm = dpopAlgorithms[0]): Promise<Prover> {
  const { publicKey, privateKey } = await generateKeyPair(alg, { extractable: true })
  const jwk = await exportJWK(publicKey)
  return {
    jwk,
    privateJwk: await exportJWK(privateKey),
    thumbprint: await calculateJwkThumbprint(jwk),
    prove: ({ url, credential, method = 'POST', claims, header }) =>
      new SignJWT({
        htm: method,
        htu: url,
        iat: Math.floor(Date.now() / 1000),
        jti: randomUUID(),
        ath: hash('sha256', credential, 'base64url'),
        ...claims,
      })
        .setProtectedHeader({ typ: 'dpop+jwt', alg, jwk, ...header })
        .sign(privateKey),
  }
}
