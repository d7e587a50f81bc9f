import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { type CryptoKey, calculateJwkThumbprint, exportJWK, generateKeyPair, type JWK, SignJWT } from 'jose'

export interface IssuerKeyPair {
  readonly keyId: string
  readonly thumbprint: string
  readonly jwk: JWK
  readonly privateKey: CryptoKey
}

/** An identity provider that signs whatever it is asked to, and publishes its keys. */
export interface TokenIssuer extends AsyncDisposable {
  /** Its value of `iss`. */
  readonly url: string
  /** As keys are published; tests may take some away. */
  published: readonly IssuerKeyPair[]
  /** A member of `issuers`, with further members. */
  yaml(further?: string): string
  /** A good token with a `jti` of its own, `app` as its client; claims that are undefined are left out. */
  sign(claims?: Readonly<Record<string, unknown>>, key?: IssuerKeyPair): Promise<string>
}

async function makeKey(keyId: string): Promise<IssuerKeyPair> {
  const { publicKey, privateKey } = await generateKeyPair('ES256')
  const jwk = { ...(await exportJWK(publicKey)), kid: keyId, alg: 'ES256', use: 'sig' }
  return { keyId, thumbprint: await calculateJwkThumbprint(jwk), jwk, privateKey }
}

/** With this many keys, `k0`, `k1` … */
export async function startTokenIssuer(keys = 2): Promise<TokenIssuer> {
  const server = createServer((_req, res) => {
    res.setHeader('content-type', 'application/json')
    res.end(JSON.stringify({ keys: issuer.published.map(({ jwk }) => jwk) }))
  })
  await once(server.listen(0, '127.0.0.1'), 'listening')
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const made = await Promise.all(Array.from({ length: keys }, (_, n) => makeKey(`k${n}`)))
  const issuer: TokenIssuer = {
    url,
    published: made,
    yaml: (further = '') => `
    issuer: ${url}
    jwksUrl: ${url}/keys
    allowPrivateNetwork: true
    audience: [ostiary]
    algorithms: [ES256]
    environment: test
    grants: [{ scopes: [chat:create] }]
    ${further}
`,
    sign(claims = {}, key = made[0] as IssuerKeyPair) {
      const now = Math.floor(Date.now() / 1000)
      const usual = { iss: url, aud: 'ostiary', client_id: 'app', jti: randomUUID(), iat: now, exp: now + 600 }
      return new SignJWT({ ...usual, ...claims })
        .setProtectedHeader({ alg: 'ES256', typ: 'at+jwt', kid: key.keyId })
        .sign(key.privateKey)
    },
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      server.close()
    },
  }
  return issuer
}
