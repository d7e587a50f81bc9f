import type { CallEvent } from '#core/events.ts'
import type { Meter } from './meter.ts'
import { table } from './table.ts'

/** Counts a call that has ended, from its event. */
export function observeCall(meter: Meter, event: CallEvent): void {
  const { route, outcome, problem, target } = event
  meter.add(table.calls, 1, route ?? '', outcome)
  if (problem !== null) meter.add(table.problems, 1, problem)
  meter.add(table.receivedBytes, event.bytesIn)
  meter.add(table.sentBytes, event.bytesOut)
  if (route === null || target === null) return
  const operation = operationOf(route)
  const provider = providerOf(route)
  meter.observe(table.duration, event.durationMs / 1000, operation, provider)
  if (event.firstByteMs !== null) meter.observe(table.firstByte, event.firstByteMs / 1000, operation, provider)
}

/** `gen_ai.operation.name` */
function operationOf(route: string): string {
  if (route.startsWith('gemini.')) return 'generate_content'
  return route === 'openai.embeddings' ? 'embeddings' : 'chat'
}

/** `gen_ai.provider.name`: by the wire format, as the conventions say for what speaks it. */
function providerOf(route: string): string {
  const format = route.slice(0, route.indexOf('.'))
  return format === 'gemini' ? 'gcp.gemini' : format
}
