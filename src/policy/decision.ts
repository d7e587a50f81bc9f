import type { Action } from '#core/action.ts'
import type { VerifiedIdentity } from '#core/principal.ts'

/** What an action is done to, as policies see it. */
export interface Resource {
  readonly kind: 'model' | 'service'
  /** Of a model the name that the caller uses, of a service its name in the configuration. */
  readonly id: string
  /** Of a model the name of its provider; null = it is a service. */
  readonly provider: string | null
  /** Whether test credentials reach it. */
  readonly test: boolean
}

/** What differs from one call to the next, though caller, action and resource are the same. */
export interface CallContext {
  /** Address of the client. */
  readonly address: string
  /** ms since the epoch. */
  readonly at: number
  /** Of a call to a service: its method and its canonical path below the service. */
  readonly method?: string
  readonly path?: string
  /** What the body asks for beyond text, such as `tools` or `images`; looked for only where a policy asks. */
  readonly features: () => readonly string[]
}

export interface Decision {
  readonly allowed: boolean
  /** Ids of the policies that determined it: those that permit, or those that forbid; none = no policy permits. */
  readonly policies: readonly string[]
  /** A policy could not be evaluated, and so the call is denied; null = all could. */
  readonly error: string | null
  /** What it would be if the policies in shadow were enforced; null = the same, or there are none. */
  readonly shadow: { readonly allowed: boolean; readonly policies: readonly string[] } | null
}

/** Whether the policies let a principal do something. Asked after the ceilings of the credential. */
export type Decide = (principal: VerifiedIdentity, action: Action, resource: Resource, context: CallContext) => Decision

/** A file of policies in Cedar’s language. */
export interface PolicySource {
  /** Name of the file, without its folder. */
  readonly file: string
  readonly text: string
}
