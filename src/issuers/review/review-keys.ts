import type { KeySetStatus } from '#issuers/keys/key-set.ts'
import type { PublicKey } from '#issuers/keys/public-key.ts'
import type { Finding } from './finding.ts'

/** What there is to say of published keys that may be used, beside the algorithms that the issuer is taken with. */
export function reviewKeys(
  keys: readonly PublicKey[],
  algorithms: ReadonlySet<string>,
  inEffect: Pick<KeySetStatus, 'keys'>,
): Finding[] {
  const findings: Finding[] = []
  const add = (level: Finding['level'], code: string, text: string) => void findings.push({ level, code, text })
  const accepted = keys.filter(key => key.algorithms.some(name => algorithms.has(name)))
  const offered = [...new Set(keys.flatMap(key => key.algorithms))]
  if (accepted.length === 0) {
    const text = `No key that it publishes fits \`algorithms\` (${[...algorithms].join(', ')}): every token is refused. Its keys are for ${offered.join(', ')}.`
    add('error', 'no_key_for_algorithms', text)
  } else {
    const without = [...algorithms].filter(name => !offered.includes(name))
    const text = `${without.join(', ')} is accepted, but no key for it is published. Leave out of \`algorithms\` what it does not use.`
    if (without.length > 0) add('warning', 'algorithm_without_key', text)
  }
  if (accepted.length > 1 && accepted.some(({ keyId }) => keyId === null)) {
    add(
      'warning',
      'key_id_missing',
      'Of its keys one has no `kid`: tokens cannot say which one signed them. Have it name them.',
    )
  }
  const names = keys.flatMap(({ keyId }) => keyId ?? [])
  if (new Set(names).size < names.length) {
    add(
      'warning',
      'key_id_twice',
      'Two of its keys have the same `kid`. Both are tried; have it name each differently.',
    )
  }
  const known = new Set(inEffect.keys?.map(({ thumbprint }) => thumbprint))
  const missing = keys.filter(({ thumbprint }) => !known.has(thumbprint)).length
  if (missing > 0) {
    const text = `The gateway does not know ${missing} of its keys yet. They are fetched when their first token comes, or with the next refresh.`
    add('info', 'keys_not_yet_known', text)
  }
  return findings
}
