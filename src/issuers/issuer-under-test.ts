import { CompactSign, type CryptoKey, calculateJwkThumbprint, exportJWK, generateKeyPair, type JWK } from 'jose'
import type { VerifiedIdentity } from '#core/principal.ts'
import { Problem } from '#core/problems.ts'
import { ReceivedChanges } from '#store/changes.ts'
import type { Issuer } from './issuer.ts'
import type { IssuerKey, IssuerKeys } from './keys/issuer-keys.ts'
import { presets } from './presets.ts'
import { TokenCache } from './token-cache.ts'
import { createTokenVerifier, type VerifyToken } from './verify-token.ts'

/** When tests happen. */
export const NOW = Date.UTC(2026, 0, 15, 12)
const SECONDS = NOW / 1000

/** A key pair of an issuer. */
export interface TestKey {
  readonly published: IssuerKey
  readonly privateKey: CryptoKey
  readonly jwk: JWK
}

export async function makeKey(algorithm = 'RS256', keyId: string | null = 'k1'): Promise<TestKey> {
  const { publicKey, privateKey } = await generateKeyPair(algorithm, { extractable: true })
  const jwk = { ...(await exportJWK(publicKey)), alg: algorithm, use: 'sig', ...(keyId !== null && { kid: keyId }) }
  const thumbprint = await calculateJwkThumbprint(jwk)
  return { published: { thumbprint, keyId, algorithm, key: publicKey }, privateKey, jwk }
}

/** A generic issuer named `company`, with what is said otherwise. */
export function makeIssuer(otherwise: Partial<Issuer> = {}): Issuer {
  const preset = otherwise.preset ?? presets.generic
  return {
    name: 'company',
    issuer: 'https://id.example.com',
    audience: new Set(['ostiary']),
    clientIds: null,
    tenant: null,
    algorithms: new Set(preset.algorithms),
    types: new Set(preset.types),
    skewMs: 30_000,
    maxLifetimeMs: 3_600_000,
    preset,
    claims: preset.claims,
    requiredClaims: new Map(),
    senderConstraint: 'none',
    projects: [],
    project: 'proj_default',
    environment: 'live',
    grants: [],
    ...otherwise,
  }
}

/** What a good token of `makeIssuer()` says. */
export const goodClaims = {
  iss: 'https://id.example.com',
  sub: 'alice',
  aud: 'ostiary',
  client_id: 'app',
  iat: SECONDS,
  exp: SECONDS + 600,
  jti: 't1',
}

/** A token as an issuer signs it; claims that are undefined are left out. Claims may be given as text. */
export async function sign(
  { privateKey, published: { algorithm, keyId } }: TestKey,
  claims: object | string = goodClaims,
  header: object = {},
): Promise<string> {
  const payload = Buffer.from(typeof claims === 'string' ? claims : JSON.stringify(claims))
  const protectedHeader = { alg: algorithm, typ: 'at+jwt', ...(keyId !== null && { kid: keyId }), ...header }
  const signer = new CompactSign(payload).setProtectedHeader(withoutUndefined(protectedHeader))
  return signer.sign(privateKey, { crit: { urgent: true } })
}

function withoutUndefined<T extends object>(header: T): T {
  return JSON.parse(JSON.stringify(header)) as T
}

/** The keys of issuers by their name; the same rules of choice as real ones. */
export function publish(keys: Readonly<Record<string, readonly TestKey[]>>): IssuerKeys {
  return {
    onChange() {},
    find: ({ issuer, keyId, algorithm }) =>
      (keys[issuer] ?? [])
        .map(({ published }) => published)
        .filter(key => key.algorithm === algorithm && (keyId === null || key.keyId === keyId)),
  }
}

interface Verifying {
  readonly issuers?: readonly Issuer[]
  readonly clock?: () => number
}

/** Remembers tokens beside a feed that tells of nothing. */
export function freshCache(clock = () => NOW): TokenCache {
  const changes = new ReceivedChanges()
  changes.heard(performance.now(), 0)
  return new TokenCache({ size: 100, changes, trustMs: Number.POSITIVE_INFINITY, clock })
}

export function makeVerifier(keys: IssuerKeys, { issuers = [makeIssuer()], clock = () => NOW }: Verifying = {}) {
  return createTokenVerifier({
    issuers,
    keys,
    cache: freshCache(clock),
    checkRevocation: async identity => identity,
    clock,
    compileGrants: ({ scopes, models }) => ({
      scopes: new Set(scopes) as never,
      operations: null,
      allowsModel: models && (model => models.includes(model)),
      allowsAddress: null,
    }),
  })
}

/** The reason for which a token is refused; fails where it is not. */
export async function reasonOf(verify: VerifyToken, token: string): Promise<string | undefined> {
  const verdict = await verify(token, '127.0.0.1')
  if (!(verdict instanceof Problem)) throw new Error(`not refused: ${JSON.stringify(verdict)}`)
  if (verdict.code !== 'auth.invalid_credential') throw new Error(`refused by ${verdict.code}`)
  return verdict.reason
}

/** Whom a token is taken for; fails where it is refused. */
export async function identityOf(verify: VerifyToken, token: string): Promise<VerifiedIdentity> {
  const verdict = await verify(token, '127.0.0.1')
  if (verdict === null || verdict instanceof Problem) throw new Error(`refused: ${verdict?.reason}`)
  return verdict
}
