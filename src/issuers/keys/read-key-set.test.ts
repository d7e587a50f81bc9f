import assert from 'node:assert/strict'
import { generateKeyPairSync, type KeyObject } from 'node:crypto'
import { test } from 'node:test'
import { calculateJwkThumbprint } from 'jose'
import type { JsonObject } from '#http/strict-json.ts'
import { MAX_KEYS, readKeySet } from './read-key-set.ts'

const rsa = (bits = 2048) => generateKeyPairSync('rsa', { modulusLength: bits })
const ec = (namedCurve = 'P-256') => generateKeyPairSync('ec', { namedCurve })
const jwkOf = ({ publicKey }: { readonly publicKey: KeyObject }) =>
  ({ ...publicKey.export({ format: 'jwk' }) }) as JsonObject

const RSA = jwkOf(rsa())
const P256 = jwkOf(ec())
const ED25519 = jwkOf(generateKeyPairSync('ed25519'))
/** A set is good if one key is: the others are looked at beside this. */
const good = { ...P256, kid: 'good' }

const algorithms: readonly (readonly [what: string, jwk: object, expected: readonly string[]])[] = [
  ['an RSA key without alg', RSA, ['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512']],
  ['an RSA key for PS256', { ...RSA, alg: 'PS256' }, ['PS256']],
  ['a P-256 key', P256, ['ES256']],
  ['a P-384 key', jwkOf(ec('P-384')), ['ES384']],
  ['a P-521 key', jwkOf(ec('P-521')), ['ES512']],
  ['an Ed25519 key', ED25519, ['EdDSA', 'Ed25519']],
  ['an Ed25519 key for EdDSA', { ...ED25519, alg: 'EdDSA' }, ['EdDSA']],
  ['use: sig', { ...P256, use: 'sig' }, ['ES256']],
  ['key_ops with verify', { ...P256, key_ops: ['verify'] }, ['ES256']],
  ['members that nobody knows', { ...P256, x5c: ['?'], x5u: 'http://evil', nbf: 1 }, ['ES256']],
]
for (const [what, jwk, expected] of algorithms) {
  test(`${what} may verify ${expected}`, () => {
    const [key] = readKeySet({ keys: [jwk] }).keys
    assert.deepEqual(key?.algorithms, expected)
  })
}

test('a key is known by the thumbprint of RFC 7638, and holds nothing but its own numbers', async () => {
  for (const jwk of [RSA, P256, ED25519]) {
    const [key] = readKeySet({ keys: [{ ...jwk, kid: 'a', use: 'sig', x5t: 'x' }] }).keys
    assert.equal(key?.thumbprint, await calculateJwkThumbprint(jwk as never))
    assert.deepEqual(key?.jwk, jwk)
  }
})

test('a key whose numbers are written otherwise is the same key', async () => {
  const pad = (text: unknown) =>
    Buffer.concat([Buffer.of(0), Buffer.from(String(text), 'base64url')]).toString('base64url')
  const twice: readonly (readonly [jwk: JsonObject, otherwise: JsonObject])[] = [
    [RSA, { ...RSA, n: pad(RSA.n) }],
    [RSA, { ...RSA, e: pad(RSA.e) }],
    [P256, { ...P256, x: pad(P256.x), y: pad(P256.y) }],
  ]
  for (const [jwk, otherwise] of twice) {
    const { keys } = readKeySet({ keys: [otherwise, jwk] })
    assert.deepEqual(
      keys.map(({ thumbprint }) => thumbprint),
      [await calculateJwkThumbprint(jwk as never)],
    )
    assert.deepEqual(keys[0]?.jwk, jwk)
  }
})

const { privateKey } = ec()
const one = Buffer.from([1]).toString('base64url')
const unusable: readonly (readonly [what: string, jwk: unknown, code: string])[] = [
  ['a shared secret', { kty: 'oct', k: 'c2VjcmV0', alg: 'HS256' }, 'symmetric_key_published'],
  ['a private key', privateKey.export({ format: 'jwk' }), 'private_key_published'],
  ['an RSA private key', rsa().privateKey.export({ format: 'jwk' }), 'private_key_published'],
  ['a key for encryption', { ...RSA, use: 'enc' }, 'key_of_other_use'],
  ['key_ops without verify', { ...RSA, key_ops: ['encrypt'] }, 'key_of_other_use'],
  ['key_ops that is no list', { ...RSA, key_ops: 'verify' }, 'key_of_other_use'],
  ['RSA of 1024 bits', jwkOf(rsa(1024)), 'key_unusable'],
  ['RSA of 2047 bits', jwkOf(rsa(2047)), 'key_unusable'],
  ['a huge modulus', { ...RSA, n: Buffer.alloc(2048, 255).toString('base64url') }, 'key_unusable'],
  ['an exponent of 1', { ...RSA, e: one }, 'key_unusable'],
  ['an even exponent', { ...RSA, e: 'BA' }, 'key_unusable'],
  ['an encryption algorithm', { ...RSA, alg: 'RSA-OAEP' }, 'key_unusable'],
  ['HS256 on an RSA key', { ...RSA, alg: 'HS256' }, 'key_unusable'],
  ['none', { ...RSA, alg: 'none' }, 'key_unusable'],
  ['ES256 on P-384', { ...jwkOf(ec('P-384')), alg: 'ES256' }, 'key_unusable'],
  ['an alg that is no text', { ...RSA, alg: ['RS256'] }, 'key_unusable'],
  ['secp256k1', jwkOf(ec('secp256k1')), 'key_unusable'],
  ['a curve named like a member of objects', { ...P256, crv: 'constructor' }, 'key_unusable'],
  ['P-256 called OKP', { ...P256, kty: 'OKP' }, 'key_unusable'],
  ['X25519', jwkOf(generateKeyPairSync('x25519')), 'key_unusable'],
  ['a point off its curve', { ...P256, y: P256.x }, 'key_unusable'],
  ['padding in base64url', { ...P256, x: `${P256.x}=` }, 'key_unusable'],
  ['no numbers', { kty: 'RSA' }, 'key_unusable'],
  ['a type that is not known', { kty: 'AKP', pub: 'x' }, 'key_unusable'],
  ['an empty kid', { ...P256, kid: '' }, 'key_unusable'],
  ['a kid that is a number', { ...P256, kid: 7 }, 'key_unusable'],
  ['a kid that is too long', { ...P256, kid: 'k'.repeat(257) }, 'key_unusable'],
  ['no object', 'key', 'key_unusable'],
  ['null', null, 'key_unusable'],
]
for (const [what, jwk, code] of unusable) {
  test(`${what} is never used, and named`, () => {
    const { keys, findings } = readKeySet({ keys: [jwk, good] })
    assert.deepEqual(
      keys.map(({ keyId }) => keyId),
      ['good'],
    )
    assert.deepEqual(
      findings.map(finding => finding.code),
      [code],
    )
    assert.throws(() => readKeySet({ keys: [jwk] }), { name: 'KeysNotHad', code: 'no_usable_key' })
  })
}

test('what a private key holds is nowhere in what is said of it', () => {
  const jwk = privateKey.export({ format: 'jwk' })
  assert.ok(!JSON.stringify(readKeySet({ keys: [jwk, good] })).includes(String(jwk.d)))
})

test('the name of a key that is spoken of cannot write to a terminal', () => {
  const { findings } = readKeySet({ keys: [{ ...RSA, use: 'enc', kid: '\u001b[2J' }, good] })
  assert.ok(!/\p{C}/u.test(findings[0]?.text ?? '\u0000'))
})

test('two keys of one name are both kept, the same key twice is one', () => {
  const other = { ...jwkOf(ec()), kid: 'good' }
  assert.equal(readKeySet({ keys: [good, other, good] }).keys.length, 2)
})

test(`looks at ${MAX_KEYS} keys and no more`, () => {
  const keys = Array.from({ length: MAX_KEYS + 1 }, (_, n) => ({ ...P256, kid: `${n}` }))
  assert.equal(readKeySet({ keys: keys.slice(1) }).keys.length, MAX_KEYS)
  const { keys: used, findings } = readKeySet({ keys })
  assert.equal(used.length, MAX_KEYS)
  assert.deepEqual(
    findings.map(({ code }) => code),
    ['too_many_keys'],
  )
})

for (const document of [{}, { keys: null }, { keys: {} }, { keys: 'x' }] as JsonObject[]) {
  test(`${JSON.stringify(document)} is no key set`, () => {
    assert.throws(() => readKeySet(document), { name: 'KeysNotHad', code: 'no_key_set' })
  })
}

test('an empty set is no set', () => {
  assert.throws(() => readKeySet({ keys: [] }), { name: 'KeysNotHad', code: 'no_usable_key' })
})
