import type { Config } from '#config/schema.ts'
import { Problem } from '#core/problems.ts'
import { showFault } from '#policy/cedar/policy.ts'
import { findEmptyGroups } from '#policy/cedar/validate-policies.ts'
import { findPolicyFaults, vocabularyOf } from './compile-policies.ts'

/** Throws `config.invalid` where a policy is none, or could never apply, and where a group of models has none. */
export function checkPolicies(config: Config): void {
  const empty = findEmptyGroups(vocabularyOf(config)).map(({ group, pattern }) =>
    pattern === null
      ? `policies.modelGroups.${group}: names no model`
      : `policies.modelGroups.${group}: ${pattern} fits no model that is configured`,
  )
  const faults = [...empty, ...findPolicyFaults(config).map(showFault)]
  if (faults.length > 0) throw new Problem('config.invalid', { detail: faults.join('\n') })
}
