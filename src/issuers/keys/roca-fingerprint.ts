/** Primes of the fingerprint: those below 168 but 2. */
const PRIMES = [
  3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41, 43, 47, 53, 59, 61, 67, 71, 73, 79, 83, 89, 97, 101, 103, 107, 109, 113,
  127, 131, 137, 139, 149, 151, 157, 163, 167,
]

const GENERATOR = 65_537

/**
 * Whether an RSA modulus was made by the library whose keys can be factored (ROCA, CVE-2017-15361): its primes, and so
 * their product, are powers of 65537 modulo each small prime. Of other moduli one in 2^27 at most looks so.
 * Source: Nemec, Sys, Svenda, Klinec, Matyas: “The Return of Coppersmith’s Attack”, 2017, §2.
 */
export function hasRocaFingerprint(modulus: bigint): boolean {
  return PRIMES.every(prime => powersModulo(prime).has(Number(modulus % BigInt(prime))))
}

function powersModulo(prime: number): Set<number> {
  const powers = new Set<number>()
  for (let power = 1; !powers.has(power); power = (power * GENERATOR) % prime) powers.add(power)
  return powers
}
