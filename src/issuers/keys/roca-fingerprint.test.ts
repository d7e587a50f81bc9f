import assert from 'node:assert/strict'
import { generateKeyPairSync } from 'node:crypto'
import { test } from 'node:test'
import { readPublicKey } from './public-key.ts'
import { hasRocaFingerprint } from './roca-fingerprint.ts'

test('tells moduli of the broken library, by their form', () => {
  // The product of all primes below 168: what the library adds multiples of.
  let product = 1n
  for (let n = 2; n < 168; n++) if (isPrime(n)) product *= BigInt(n)
  for (const [factor, exponent] of [
    [1n << 1900n, 12_345n],
    [(1n << 1850n) + 77n, 1n << 60n],
  ] as const) {
    const modulus = factor * product + power(65_537n, exponent, product)
    assert.equal(hasRocaFingerprint(modulus), true)
    const bits = modulus.toString(2).length
    const n = Buffer.from(modulus.toString(16).padStart(Math.ceil(bits / 8) * 2, '0'), 'hex').toString('base64url')
    const read = readPublicKey({ kty: 'RSA', n, e: 'AQAB' }, 'Key 1')
    assert.match('text' in read ? read.text : '', /ROCA/)
  }
})

test('takes those of others', () => {
  for (let i = 0; i < 8; i++) {
    const { n } = generateKeyPairSync('rsa', { modulusLength: 2048 }).publicKey.export({ format: 'jwk' })
    assert.equal(hasRocaFingerprint(BigInt(`0x${Buffer.from(n as string, 'base64url').toString('hex')}`)), false)
  }
  assert.equal(hasRocaFingerprint(0n), false)
})

function isPrime(n: number): boolean {
  for (let d = 2; d * d <= n; d++) if (n % d === 0) return false
  return true
}

function power(base: bigint, exponent: bigint, modulus: bigint): bigint {
  let result = 1n
  for (let square = base % modulus, e = exponent; e > 0n; e >>= 1n, square = (square * square) % modulus) {
    if (e & 1n) result = (result * square) % modulus
  }
  return result
}
