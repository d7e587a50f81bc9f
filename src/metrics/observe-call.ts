import type { CallEvent } from '#core/events.ts'
import type { MeteredUsage } from '#core/usage.ts'
import type { Meter } from './meter.ts'
import { SERVICE_ROUTE, table } from './table.ts'

const NANO = 1e9

/** Counts a call that has ended, from its event. */
export function observeCall(meter: Meter, event: CallEvent): void {
  const { route, outcome, problem, target } = event
  meter.add(table.calls, 1, event.service === undefined ? (route ?? '') : SERVICE_ROUTE, outcome)
  if (problem !== null) meter.add(table.problems, 1, problem)
  meter.add(table.receivedBytes, event.bytesIn)
  meter.add(table.sentBytes, event.bytesOut)
  if (route === null || target === null) return
  const operation = operationOf(route)
  const provider = providerOf(route)
  meter.observe(table.duration, event.durationMs / 1000, operation, provider)
  if (event.firstByteMs !== null) meter.observe(table.firstByte, event.firstByteMs / 1000, operation, provider)
  if (event.usage !== null) observeUsage(meter, event.usage, event.costNanoUsd, operation, provider)
}

function observeUsage(
  meter: Meter,
  { input, output, source }: MeteredUsage,
  costNanoUsd: number | null,
  operation: string,
  provider: string,
): void {
  if (input > 0) meter.observe(table.tokens, input, 'input', operation, provider)
  if (output > 0) meter.observe(table.tokens, output, 'output', operation, provider)
  if (costNanoUsd !== null) meter.add(table.cost, costNanoUsd / NANO)
  else if (input > 0 || output > 0) meter.add(table.unpriced, 1)
  if (source === 'estimate') meter.add(table.estimated, 1)
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
