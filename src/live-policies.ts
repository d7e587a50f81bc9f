import { statusOf } from '#admin/key-view.ts'
import type { PolicyOperations } from '#admin/policy-operations.ts'
import type { LoadedConfig } from '#config/load.ts'
import type { Config } from '#config/schema.ts'
import type { Clock } from '#core/clock.ts'
import { Problem } from '#core/problems.ts'
import { identityOf } from '#keys/verifier.ts'
import { compileKeyCeilings } from '#policy/compile-ceilings.ts'
import { explain } from '#policy/explain.ts'
import { viewExplanation } from '#policy/view-explanation.ts'
import { compileQuestion } from './compile-question.ts'
import { type OpenPolicies, openPolicies } from './open-policies.ts'

interface LivePoliciesOptions {
  /** The configuration in effect. */
  readonly current: () => Pick<LoadedConfig, 'config' | 'pending'>
  readonly clock: Clock
}

/** The policies of the configuration in effect, as operators ask them; they are opened when they are first asked. */
export function createLivePolicies({ current, clock }: LivePoliciesOptions): PolicyOperations {
  let opened: { readonly of: Config; readonly open: OpenPolicies } | undefined
  const openCurrent = (): OpenPolicies => {
    const loaded = current()
    const { config } = loaded
    if (opened?.of !== config) {
      opened?.open[Symbol.dispose]()
      opened = { of: config, open: openPolicies(loaded) }
    }
    return opened.open
  }
  return {
    explain({ key, projectAddresses, ...asked }) {
      const open = openCurrent()
      const principal = identityOf(key, compileKeyCeilings({ ...key, projectAddresses }))
      const question = compileQuestion(principal, asked, open, (member, message) => {
        throw new Problem('admin.invalid_input', { detail: `body/${member === 'at' ? 'time' : member}: ${message}.` })
      })
      if (question === null) throw new TypeError('What is refused was thrown')
      const explanation = explain(question, open.policies, open.vocabulary)
      return viewExplanation(question, explanation, statusOf(key, clock()))
    },
  }
}
