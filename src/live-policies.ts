import { statusOf } from '#admin/key-view.ts'
import type { PolicyOperations } from '#admin/policy-operations.ts'
import type { Config } from '#config/schema.ts'
import type { Clock } from '#core/clock.ts'
import { Problem } from '#core/problems.ts'
import { identityOf } from '#keys/verifier.ts'
import { compileCeilings } from '#policy/compile-ceilings.ts'
import { explain, rolesThatAllow } from '#policy/explain.ts'
import { viewExplanation } from '#policy/view-explanation.ts'
import { isModelAction, type OpenPolicies, openPolicies } from './open-policies.ts'

interface LivePoliciesOptions {
  /** The configuration in effect. */
  readonly current: () => { readonly config: Config }
  readonly clock: Clock
}

/** The policies of the configuration in effect, as operators ask them; they are opened when they are first asked. */
export function createLivePolicies({ current, clock }: LivePoliciesOptions): PolicyOperations {
  let opened: { readonly of: Config; readonly open: OpenPolicies } | undefined
  const openCurrent = (): OpenPolicies => {
    const { config } = current()
    if (opened?.of !== config) opened = { of: config, open: openPolicies(config) }
    return opened.open
  }
  return {
    explain({ key, action: named, model, context }) {
      const open = openCurrent()
      const caller = identityOf(key, compileCeilings(key))
      const action = open.vocabulary.actions.find(({ id }) => id === named)
      if (action === undefined) throw invalid(`body/action: there is no action ${JSON.stringify(named)}.`)
      if (isModelAction(action) !== (model !== undefined)) {
        throw invalid(
          `body/model must ${isModelAction(action) ? '' : 'not '}be set: ${named} is an action on ${isModelAction(action) ? 'models' : 'a service'}.`,
        )
      }
      const target = model === undefined ? open.serviceOf(action) : open.findModel(action, model)
      const question = { caller, action, context, ...target }
      const roles = rolesThatAllow(question, open.decide, open.vocabulary.roles)
      return viewExplanation(question, explain(question, open.decide), roles, statusOf(key, clock()))
    },
  }
}

function invalid(detail: string): Problem {
  return new Problem('admin.invalid_input', { detail })
}
