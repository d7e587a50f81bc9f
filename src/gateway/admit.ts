import type { AdmittedEvent, CallEvent } from '#core/events.ts'
import type { Call } from './call.ts'
import type { Hold } from './limit-call.ts'

/** What the pipeline asks of the recorder of events. */
export interface CallRecorder {
  /** Throws `events.not_recordable`: what cannot be recorded is not done. */
  ensureRecordable(): void
  /** Resolves when the call may be done; null = no call has to wait. Rejects with `events.not_recordable`. */
  readonly admit: ((event: AdmittedEvent) => Promise<void>) | null
  /** null = the call may be answered, else when this resolves. Rejects with `events.not_recordable`. */
  record(event: CallEvent): Promise<void> | null
}

/** Where the events of this worker's calls go. */
export interface Recording {
  readonly recorder: CallRecorder
  /** Number of this worker. */
  readonly worker: number
}

/** Has it on record that the call is about to be done, if events are durable. */
export function admit(call: Call, { recorder, worker }: Recording, hold: Hold): Promise<void> | null {
  const { route, principal } = call
  const { target } = hold.grant
  if (recorder.admit === null) return null
  return recorder.admit({
    type: 'admitted',
    id: call.id,
    at: call.at,
    worker,
    configGeneration: call.configGeneration,
    source: call.source,
    method: call.req.method ?? '',
    path: (route?.path ?? '').slice(0, 256),
    route: route?.id ?? null,
    principal: principal && {
      kind: principal.kind,
      id: principal.id,
      project: principal.project,
      environment: principal.environment,
    },
    credential: principal?.id ?? null,
    model: call.model,
    target: { provider: target.provider.name, model: target.providerModel, test: target.test },
  })
}
