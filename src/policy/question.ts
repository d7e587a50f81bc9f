import type { Action } from '#core/action.ts'
import type { VerifiedIdentity } from '#core/principal.ts'
import type { CallContext, Resource } from './decision.ts'

/** May this caller do this? Asked without a call, so nobody has proved that they are the caller. */
export interface Question {
  readonly caller: VerifiedIdentity
  readonly action: Action
  readonly resource: Resource
  /** Whether the resource is a model of the sandbox, which live credentials never reach. */
  readonly sandbox: boolean
  readonly context: CallContext
}

/** `openai.chat on gpt-5` */
export function describeRequest({ action, resource }: Question): string {
  return `${action.id} on ${resource.id}`
}
