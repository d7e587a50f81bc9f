import type { Environment } from './principal.ts'
import type { MeteredUsage } from './usage.ts'

/**
 * What happened, said once. A call emits exactly one `CallEvent` on every path; audit, metering, metrics and
 * detectors read these and nothing else. An event carries every input of the decision, so that it can be replayed.
 */
export type OstiaryEvent = CallEvent | AdmittedEvent | RefusalsEvent | ChangeEvent | GatewayEvent

export type CallOutcome = 'completed' | 'refused' | 'caller_hung_up' | 'upstream_failed' | 'failed'

export interface CallEvent {
  readonly type: 'call'
  /** Request id, `req_…`, as answered in `x-request-id`. */
  readonly id: string
  /** Id the caller sent, if well-formed. */
  readonly callerRequestId: string | null
  /** Start, ms since the epoch. */
  readonly at: number
  readonly worker: number
  readonly configGeneration: number
  /** Address of the connection's peer. */
  readonly source: string
  readonly method: string
  /** Canonical path without query, cut at 256 characters. */
  readonly path: string
  /** Id of the route, such as `openai.chat`; null = no such path. */
  readonly route: string | null
  readonly principal: {
    readonly kind: string
    readonly id: string
    readonly project: string
    readonly environment: Environment
    /** Of a caller with a token of an identity provider: the client it was issued to, its `jti` and session, if it says so. */
    readonly client?: string
    readonly tokenId?: string
    readonly session?: string
    /** Those of the key, or that the rules of the issuer gave; none = no roles. */
    readonly roles?: readonly string[]
    /** With what the sender proved that the credential is theirs; none = it was borne. */
    readonly binding?: 'dpop' | 'certificate'
  } | null
  /** Id of the credential, also where it was refused as expired or revoked; null = none or unknown. */
  readonly credential: string | null
  /** Model as the caller named it. */
  readonly model: string | null
  readonly target: { readonly provider: string; readonly model: string; readonly test: boolean } | null
  /** Of a call to a service: its name, the operation, and the canonical path below it, cut at 256 characters. */
  readonly service?: { readonly name: string; readonly operation: string; readonly path: string }
  /** Name of the proxy that asked whether it may pass the call on; none = the gateway itself was called. */
  readonly decidedFor?: string
  readonly stream: boolean
  readonly outcome: CallOutcome
  /** Code of the problem answered or met; null = none. */
  readonly problem: string | null
  /** What the caller is not told: which check refused, or the upstream's error code. */
  readonly reason: string | null
  /** Status answered; 0 = the caller was gone before one. */
  readonly status: number
  readonly upstreamStatus: number | null
  /** The provider answered 401 to its credential, and was asked again with the one before, which is in its grace. */
  readonly usedPreviousCredential?: true
  readonly bytesIn: number
  readonly bytesOut: number
  /** From the first byte of the head to the end of the answer, ms. */
  readonly durationMs: number
  /**
   * Ids of the policies that determined what it may do: those that permit, or those that forbid, none where no policy permits.
   * Left out where they were not asked, and where the shipped policy for callers without a role permits alone.
   */
  readonly policies?: readonly string[]
  /** Which policies could not be evaluated, and why: the call was denied. */
  readonly policyError?: string
  /** What the policies would have said with those in shadow; left out = the same. */
  readonly shadow?: { readonly allowed: boolean; readonly policies: readonly string[] }
  /** What the policies were told beside what stands in the other members; left out = nothing. */
  readonly authorization?: AuthorizationFacts
  /** Up to the upstream's head, ms; null = none came. */
  readonly firstByteMs: number | null
  /** What it used; null = nothing was sent to a provider. */
  readonly usage: MeteredUsage | null
  /** What it cost, in nano US dollars (1e-9 $); null = there is no price. */
  readonly costNanoUsd: number | null
}

/** With the other members of an event all that policies can be told, so that a call can be decided again. */
export interface AuthorizationFacts {
  /** Those of the credential; left out = it is not bounded by scopes. */
  readonly scopes?: readonly string[]
  /** Of a token: authentication context class, and when the person logged in, ms since the epoch. */
  readonly acr?: string
  readonly authenticatedAt?: number
  /** What the body asks for; only where a policy asked. */
  readonly features?: readonly string[]
  /** Metadata of the key; only where a policy reads tags. */
  readonly tags?: Readonly<Record<string, string>>
}

/** In the mode `durable`: what a call may do, on record before it is done. Its `CallEvent`, of the same id, says how it ended. */
export interface AdmittedEvent
  extends Pick<
    CallEvent,
    | 'id'
    | 'at'
    | 'worker'
    | 'configGeneration'
    | 'source'
    | 'method'
    | 'path'
    | 'route'
    | 'principal'
    | 'credential'
    | 'model'
    | 'target'
    | 'service'
    | 'decidedFor'
  > {
  readonly type: 'admitted'
}

/** Refused calls without a principal, counted per source, route and reason, so that a flood cannot fill the disk. */
export interface RefusalsEvent {
  readonly type: 'refusals'
  readonly id: string
  /** Of the first and last refusal, ms since the epoch. */
  readonly at: number
  readonly lastAt: number
  readonly worker: number
  /** Peer address; `*` = further sources beyond the bound. */
  readonly source: string
  readonly route: string | null
  readonly problem: string
  readonly reason: string | null
  readonly credential: string | null
  readonly count: number
  /** Ids of the first few calls. */
  readonly samples: readonly string[]
}

/** A change that somebody made to what the database holds; written in the transaction of the change itself. */
export interface ChangeEvent {
  readonly type: ChangeType
  readonly id: string
  readonly at: number
  /** Who: id of the actor. */
  readonly actor: string
  /** Address that the actor spoke from; null = this process. */
  readonly source: string | null
  /** Admin request that asked for it; null = none. */
  readonly requestId: string | null
  /** Project that what changed belongs to; null = the gateway as a whole. */
  readonly project: string | null
  /** Id of what changed. */
  readonly subject: string
  /** What about it changed; no secrets. null = the type says all. */
  readonly detail: Readonly<Record<string, unknown>> | null
}

export type ChangeType =
  | 'project.created'
  | 'project.updated'
  | 'project.deleted'
  | 'key.created'
  | 'key.updated'
  | 'key.disabled'
  | 'key.enabled'
  | 'key.rotated'
  | 'key.revoked'
  | 'key.expiring'
  | 'key.leak_reported'
  | 'token.created'
  | 'token.revoked'
  | 'secret.set'
  | 'secret.rotated'
  | 'secret.rewrapped'
  | 'secret.deleted'
  | 'revocation.created'
  | 'revocation.deleted'
  | 'audit.pruned'
  | 'budget.threshold_reached'
  | 'budget.overrun'

export interface GatewayEvent {
  readonly type:
    | 'gateway.started'
    | 'gateway.stopped'
    | 'config.reloaded'
    | 'config.reload_refused'
    | 'identity_keys.changed'
    | 'worker.replaced'
  readonly id: string
  readonly at: number
  readonly configGeneration: number
  /** What changed or why it was refused; no secrets. */
  readonly detail: string | null
}
