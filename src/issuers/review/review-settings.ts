import type { Issuer } from '#issuers/issuer.ts'
import type { KeySource } from '#issuers/keys/key-source.ts'
import type { Finding } from './finding.ts'

const DAY_MS = 86_400_000
const LONGEST_STALE_MS = 7 * DAY_MS

/** What is weak in how an issuer is configured, though it is allowed. */
export function reviewSettings(
  { grants, maxLifetimeMs, types }: Pick<Issuer, 'grants' | 'maxLifetimeMs' | 'types'>,
  { issuer, jwksFile, life }: Pick<KeySource, 'issuer' | 'jwksFile' | 'life'>,
): Finding[] {
  const findings: Finding[] = []
  const add = (level: Finding['level'], code: string, text: string) => void findings.push({ level, code, text })
  if (grants.length === 0) {
    add('warning', 'no_grants', 'It has no `grants`: its tokens are taken, and may do nothing.')
  }
  if (maxLifetimeMs > DAY_MS) {
    add(
      'warning',
      'long_lifetime',
      'Tokens may live for more than a day (`maxLifetimeSeconds`): whoever steals one has it as long.',
    )
  }
  if (types.has('jwt')) {
    add(
      'info',
      'type_jwt',
      'The type `JWT` is taken, which ID tokens have too. Where the issuer can send `at+jwt` (RFC 9068), ask for that.',
    )
  }
  if (Number.isFinite(life.maxStaleMs) && life.maxStaleMs > LONGEST_STALE_MS) {
    add(
      'warning',
      'long_stale',
      'Keys stay good for more than a week while they cannot be fetched (`jwks.maxStaleSeconds`): a withdrawn one does too.',
    )
  }
  if (issuer.startsWith('http:')) {
    add('info', 'plaintext', 'It is reached in plaintext, which is for this machine alone.')
  }
  if (jwksFile !== null) {
    add(
      'info',
      'keys_in_file',
      'Its keys are in a file: when it rotates them, write them there and apply the configuration.',
    )
  }
  return findings
}
