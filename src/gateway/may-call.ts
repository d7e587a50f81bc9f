import { mayUse } from '#policy/authorize.ts'
import type { Admitted } from '#policy/check-address.ts'
import { allows } from '#policy/permit.ts'
import type { ModelTarget } from '#providers/catalog.ts'
import type { FormatName } from '#providers/wire-format.ts'
import type { Call } from './call.ts'
import { resourceOf } from './decide-call.ts'
import type { Generation } from './generation.ts'
import { modelActionsOf } from './routes.ts'

const FORMATS: readonly FormatName[] = ['openai', 'anthropic', 'gemini']

/**
 * Whether the caller may call a model now, from where they are, in any of the ways in which it can be called: by scopes,
 * operations, models and environment of their credential, by what the operation needs them to be, and by the policies, of a
 * call that asks for text alone.
 */
export function mayCall(
  call: Call,
  { decide, admissionOf }: Pick<Generation, 'decide' | 'admissionOf'>,
  caller: Admitted,
  target: ModelTarget,
): boolean {
  if (!mayUse(caller, target)) return false
  const formats = target.provider.format === null ? FORMATS : [target.provider.format]
  const context = { address: call.source, at: call.at, features: () => [] }
  const resource = resourceOf(target)
  return formats.some(format =>
    modelActionsOf(format).some(
      action => allows(caller, action, admissionOf(action), call) && decide(caller, action, resource, context).allowed,
    ),
  )
}
