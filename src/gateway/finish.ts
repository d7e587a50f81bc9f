import type { CallEvent, CallOutcome } from '#core/events.ts'
import { Problem } from '#core/problems.ts'
import type { Recording } from './admit.ts'
import type { Call } from './call.ts'
import { factsOf } from './call-facts.ts'
import { decisionFacts } from './decide-call.ts'
import { refuse } from './refuse.ts'

/** Emits the call's one event. What the gateway itself answers leaves after it; if events are durable, when it is on the disk. */
export function finish(call: Call, { recorder, worker }: Recording): void {
  const recorded = recorder.record(eventOf(call, worker))
  if (recorded === null) call.answer?.()
  else {
    recorded.then(
      () => call.answer?.(),
      () => {
        if (call.answer === null) return
        refuse(call, new Problem('events.not_recordable'))
        call.answer?.()
      },
    )
  }
}

function eventOf(call: Call, worker: number): CallEvent {
  const { target } = call
  return {
    type: 'call',
    ...factsOf(call, worker),
    callerRequestId: callerRequestId(call),
    credential: call.principal?.id ?? call.problem?.credential ?? null,
    target: target && { provider: target.provider.name, model: target.providerModel, test: target.test },
    stream: call.stream,
    outcome: outcomeOf(call),
    problem: call.problem?.code ?? null,
    reason: call.problem?.reason ?? null,
    status: call.res.headersSent || call.answer !== null ? call.res.statusCode : 0,
    upstreamStatus: call.upstreamStatus,
    ...(call.usedPreviousCredential && { usedPreviousCredential: true as const }),
    ...decisionFacts(call),
    bytesIn: call.bytesIn,
    bytesOut: call.bytesOut,
    durationMs: round(performance.now() - call.startedAt),
    firstByteMs: call.headAt === 0 ? null : round(call.headAt - call.startedAt),
    usage: call.usage,
    costNanoUsd: call.costNanoUsd,
  }
}

function outcomeOf(call: Call): CallOutcome {
  const code = call.problem?.code
  if (code?.startsWith('upstream.')) return 'upstream_failed'
  if (code === 'gateway.stopped') return 'failed'
  if (call.gone || code === 'request.caller_hung_up') return 'caller_hung_up'
  if (code === undefined) return 'completed'
  return code === 'gateway.internal' || code === 'store.unavailable' ? 'failed' : 'refused'
}

/** Kept beside our own id if it is one: visible ASCII, at most 128 characters. */
function callerRequestId(call: Call): string | null {
  const sent = call.req.headers['x-request-id'] ?? call.req.headers['request-id']
  return typeof sent === 'string' && /^[\x21-\x7e]{1,128}$/.test(sent) ? sent : null
}

function round(ms: number): number {
  return Math.round(ms * 100) / 100
}
