import type { AdmittedEvent, CallEvent } from '#core/events.ts'
import type { Grant, ServiceGrant } from '#policy/authorize.ts'
import type { ModelTarget } from '#providers/catalog.ts'
import type { Call } from './call.ts'
import { factsOf } from './call-facts.ts'

/** What the pipeline asks of the recorder of events. */
export interface CallRecorder {
  /** Throws `events.not_recordable`: what cannot be recorded is not done. */
  ensureRecordable(): void
  /** Resolves when the call may be done; null = no call has to wait. Rejects with `events.not_recordable`. */
  readonly admit: ((event: AdmittedEvent) => Promise<void>) | null
  /** Has it on record that a call has begun; nobody waits for it. */
  begun(event: AdmittedEvent): void
  /** null = the call may be answered, else when this resolves. Rejects with `events.not_recordable`. */
  record(event: CallEvent): Promise<void> | null
}

/** Where the events of this worker's calls go. */
export interface Recording {
  readonly recorder: CallRecorder
  /** Number of this worker. */
  readonly worker: number
}

/** Has it on record that the call is about to be done, if events are durable. `grant` is leave to do it; what goes to a service has no target. */
export function admit(
  call: Call,
  { recorder, worker }: Recording,
  grant: Grant<ModelTarget> | ServiceGrant,
): Promise<void> | null {
  if (recorder.admit === null) return null
  return recorder.admit({
    type: 'admitted',
    ...factsOf(call, worker),
    credential: call.principal?.id ?? null,
    target: 'target' in grant ? targetOf(grant) : null,
  })
}

/** Has it on record that a call to a service has begun whose end may be far, and lost with the gateway; unless it was admitted, and is. */
export function noteBegun(call: Call, { recorder, worker }: Recording): void {
  if (recorder.admit !== null) return
  const credential = call.principal?.id ?? null
  recorder.begun({ type: 'admitted', ...factsOf(call, worker), credential, target: null })
}

function targetOf({ target }: Grant<ModelTarget>): AdmittedEvent['target'] {
  return { provider: target.provider.name, model: target.providerModel, test: target.test }
}
