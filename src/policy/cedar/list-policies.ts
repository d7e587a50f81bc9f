import type { PolicySource } from '#policy/decision.ts'
import { loadCedar } from './load-cedar.ts'

/** What operators see of a policy. */
export interface PolicyFacts {
  readonly id: string
  readonly effect: 'permit' | 'forbid'
  readonly file: string
  readonly shadow: boolean
  /** Whether its decisions are kept for calls that are alike; false = it looks at what differs from call to call. */
  readonly cached: boolean
  readonly text: string
}

/** The policies of files, in their order. */
export function listPolicies(sources: readonly PolicySource[]): PolicyFacts[] {
  const cedar = loadCedar()
  return sources.flatMap(({ file, text }) => {
    const parts = cedar.policySetTextToParts(text)
    if (parts.type === 'failure') throw new Error(parts.errors.map(({ message }) => message).join('; '))
    return parts.policies.map((policy, index) => {
      const answer = cedar.policyToJson(policy)
      if (answer.type === 'failure') throw new Error(answer.errors.map(({ message }) => message).join('; '))
      const { effect, annotations = {} } = answer.json
      const id = annotations.id ?? `${file}#${index}`
      return { id, effect, file, shadow: annotations.shadow !== undefined, cached: false, text: policy }
    })
  })
}
