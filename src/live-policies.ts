import { statusOf } from '#admin/key-view.ts'
import type { PolicyOperations } from '#admin/policy-operations.ts'
import type { Config } from '#config/schema.ts'
import type { Clock } from '#core/clock.ts'
import { Problem } from '#core/problems.ts'
import { identityOf } from '#keys/verifier.ts'
import { compileKeyCeilings } from '#policy/compile-ceilings.ts'
import { explain } from '#policy/explain.ts'
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
    explain({ key, projectAddresses, action: named, model, context }) {
      const { vocabulary, policies, ...open } = openCurrent()
      const principal = identityOf(key, compileKeyCeilings({ ...key, projectAddresses }))
      const action = vocabulary.actions.find(({ id }) => id === named)
      if (action === undefined) throw invalid(`body/action: there is no action ${JSON.stringify(named)}.`)
      const ofModels = isModelAction(action)
      if (ofModels && model === undefined) throw invalid(`body/model is missing: ${named} is an action on models.`)
      if (!ofModels && model !== undefined) throw invalid(`body/model: ${named} is an action on a service.`)
      const resource = model === undefined ? open.serviceOf(action) : open.findModel(action, model)
      const question = { principal, action, resource, context }
      return viewExplanation(question, explain(question, policies, vocabulary), statusOf(key, clock()))
    },
  }
}

function invalid(detail: string): Problem {
  return new Problem('admin.invalid_input', { detail })
}
