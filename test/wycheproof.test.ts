import assert from 'node:assert/strict'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import type { JWK } from 'jose'
import { Problem } from '#core/problems.ts'
import { checkHeader } from '#issuers/check-header.ts'
import { findSigner } from '#issuers/find-signer.ts'
import { makeIssuer, makeVerifier } from '#issuers/issuer-under-test.ts'
import { readJson, splitToken } from '#issuers/read-token.ts'
import { publishedBy } from './support/published-keys.ts'

// Google’s and C2SP’s vectors for JSON Web Signatures, through the functions that judge the tokens of callers: shape,
// header, choice of key, signature. What they sign is no claims of an issuer: through the verifier itself none becomes anybody,
// and of those that are well signed it is the payload that is refused.

const vectors = join(import.meta.dirname, '../../shared/data/wycheproof')
const skip = existsSync(vectors) ? false : `no vectors in ${vectors}`

interface Group {
  readonly comment: string
  readonly private?: JWK | { readonly keys: JWK[] }
  readonly public?: JWK | { readonly keys: JWK[] }
  readonly tests: readonly {
    readonly tcId: number
    readonly comment: string
    readonly jws?: string | object
    readonly jwe?: string | object
    readonly result: 'valid' | 'invalid'
  }[]
}

function groupsOf(file: string): Group[] {
  if (skip) return []
  const { testGroups } = JSON.parse(readFileSync(join(vectors, file), 'utf8')) as { testGroups: Group[] }
  return testGroups
}

const issuer = {
  algorithms: new Set([
    'RS256',
    'RS384',
    'RS512',
    'PS256',
    'PS384',
    'PS512',
    'ES256',
    'ES384',
    'ES512',
    'EdDSA',
    'Ed25519',
  ]),
  // The vectors have no `typ`.
  types: new Set([null]),
}

/** `taken`, or why not. */
async function judge(jws: unknown, jwks: readonly JWK[]): Promise<string> {
  // A header carries text; one in JSON would be that text.
  const token = typeof jws === 'string' ? jws : JSON.stringify(jws)
  const parts = splitToken(token)
  if (typeof parts === 'string') return parts
  const header = readJson(parts.header)
  if (header === null) return 'token_json'
  const checked = checkHeader(header, issuer)
  if (typeof checked === 'string') return checked
  try {
    const signer = await findSigner(token, checked, { keys: publishedBy(jwks), issuer: 'a', source: '' })
    return typeof signer === 'string' ? signer : 'taken'
  } catch (error) {
    if (error instanceof Problem) return error.code
    throw error
  }
}

/** Why the verifier of callers' tokens, as a whole, takes nobody for it; `none` = it is no JWT. */
async function verify(jws: unknown, jwks: readonly JWK[]): Promise<string> {
  const token = typeof jws === 'string' ? jws : JSON.stringify(jws)
  const verdict = await makeVerifier(publishedBy(jwks), { issuers: [makeIssuer(issuer)] })(token, '')
  if (verdict === null) return 'none'
  assert.ok(verdict instanceof Problem, 'an identity')
  assert.equal(verdict.code, 'auth.invalid_credential')
  return verdict.reason ?? ''
}

/** What is wrong with payloads: no object in JSON, or without an issuer that is configured. */
const OF_PAYLOADS = ['token_json', 'token_issuer']

/** Vectors that are valid JSON Web Signatures (or encryption) and all the same no tokens here: why, by which refusal, which. */
const refused: Readonly<Record<string, readonly (readonly [why: string, by: string, vectors: readonly number[]])[]>> = {
  'json_web_signature_test.json': [
    [
      'signed with a shared secret, which no issuer may have: tokens are verified by public keys only',
      'token_algorithm',
      [1, 348, 352, 357, 358, 359, 376, 377],
    ],
    ['of these two also with a character that is none of base64url', 'token_shape', [372, 373]],
    ['signs nothing: a JWT has claims', 'token_shape', [259, 264, 268, 272, 320, 325]],
    ['the key says PS256, what it signed says PS384: a key is for its own algorithm', 'token_key', [346, 350]],
    ['the key says ES521, which is no algorithm: such a key is left out', 'auth.issuer_unavailable', [347, 351]],
  ],
  'json_web_key_test.json': [['signed with a shared secret', 'token_algorithm', [2, 13, 14, 15]]],
  'json_web_crypto_test.json': [
    ['signed with a shared secret', 'token_algorithm', [1, 48]],
    ['encrypted: nothing is that callers send', 'token_encrypted', [50, 67]],
  ],
}

for (const [file, listed] of Object.entries(refused)) {
  describe(`the vectors of ${file}`, { skip }, () => {
    const found = new Map<number, string>()
    for (const { comment, tests, ...keys } of groupsOf(file)) {
      const key = keys.public ?? keys.private
      const jwks = key === undefined ? [] : 'keys' in key ? (key.keys as JWK[]) : [key as JWK]
      for (const { tcId, comment: what, jws, jwe, result } of tests) {
        it(`${tcId} ${comment}: ${what} is ${result}`, async () => {
          const verdict = await judge(jws ?? jwe, jwks)
          const reason = await verify(jws ?? jwe, jwks)
          if (verdict === 'taken') assert.ok(OF_PAYLOADS.includes(reason), reason)
          if (result === 'valid' && verdict !== 'taken') found.set(tcId, verdict)
          else assert.equal(verdict === 'taken', result === 'valid', verdict)
        })
      }
    }

    it('that are valid are taken, but for those that are listed with a reason', () => {
      const expected = listed.flatMap(([, by, numbers]) => numbers.map(number => [number, by] as const))
      assert.deepEqual(found, new Map(expected))
    })
  })
}
