import type { CallOutcome } from '#core/events.ts'
import { operationScopes } from '#core/operations.ts'
import { problemTypes } from '#core/problems.ts'
import { counter, gauge, histogram, type Metric, workerGauge } from './metric.ts'

/** All services together: their names change with the configuration, and the memory of numbers does not. */
export const SERVICE_ROUTE = 'service'
const routes = [...Object.keys(operationScopes), SERVICE_ROUTE]
const problems = Object.keys(problemTypes)
const outcomes: readonly CallOutcome[] = ['completed', 'refused', 'caller_hung_up', 'upstream_failed', 'failed']
/** Attributes of the GenAI semantic conventions of OpenTelemetry, and the buckets that they advise, in seconds. */
const genAi = {
  gen_ai_operation_name: ['chat', 'embeddings', 'generate_content'],
  gen_ai_provider_name: ['openai', 'anthropic', 'gcp.gemini'],
}
const seconds = [0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92]
const tokens = [1, 4, 16, 64, 256, 1024, 4096, 16384, 65536, 262144, 1048576, 4194304, 16777216, 67108864]

/** All that is measured, in the order of the exposition. A line more is a metric more. */
export const table = {
  calls: counter('ostiary_calls', 'Calls that have ended.', { route: routes, outcome: outcomes }),
  problems: counter('ostiary_problems', 'Requests that met a problem, by its code.', { code: problems }),
  shed: counter('ostiary_shed', 'Calls refused or delayed to protect others.', {
    reason: ['credential', 'share', 'late', 'cut'],
  }),
  cappedConnections: counter('ostiary_capped_connections', 'Connections closed because they were beyond a cap.', {
    cap: ['connections', 'rate', 'worker'],
  }),
  receivedBytes: counter('ostiary_received_bytes', 'Bytes of bodies read from callers.'),
  sentBytes: counter('ostiary_sent_bytes', 'Bytes of bodies sent to callers.'),
  duration: histogram(
    'gen_ai_client_operation_duration_seconds',
    'Time of a call that a provider was asked for, from its head to the end of its answer.',
    seconds,
    genAi,
  ),
  firstByte: histogram(
    'ostiary_first_byte_seconds',
    'Time from the head of a call to the head of the provider’s reply.',
    seconds,
    genAi,
  ),
  tokens: histogram(
    'gen_ai_client_token_usage',
    'Tokens of a call that a provider was asked for, of input and of output, reported or estimated.',
    tokens,
    { gen_ai_token_type: ['input', 'output'], ...genAi },
  ),
  cost: counter('ostiary_cost_usd', 'What calls cost, in US dollars, as far as their prices are known.'),
  estimated: counter('ostiary_estimated_calls', 'Calls whose tokens the gateway estimated: the provider did not tell.'),
  unpriced: counter('ostiary_unpriced_calls', 'Calls that used something whose price is not known.'),
  running: workerGauge('ostiary_running_calls', 'Authenticated calls under way.'),
  connections: workerGauge('ostiary_connections', 'Connections of callers.'),
  eventsWaiting: workerGauge('ostiary_events_waiting', 'Events that are not yet in the store.'),
  loopDelay: workerGauge(
    'ostiary_event_loop_delay_seconds',
    'How long what has arrived waits for its turn, over the last ten seconds.',
    { stat: ['p50', 'p99', 'max'] },
  ),
  keyFetches: counter('ostiary_issuer_key_fetches', 'Fetches of keys of issuers.', { outcome: ['ok', 'failed'] }),
  keysAge: gauge(
    'ostiary_issuer_keys_age_seconds',
    'Time since the keys of an issuer were fetched, of the one that was heard of longest ago.',
  ),
  withoutKeys: gauge('ostiary_issuers_without_keys', 'Issuers of which no keys are known.'),
  workers: gauge('ostiary_workers', 'Workers that serve.'),
  replacements: counter('ostiary_worker_replacements', 'Workers that died and were replaced.'),
  generation: gauge('ostiary_config_generation', 'Number of the configuration in effect.'),
  storeUp: gauge('ostiary_store_up', 'Whether the store answers: 1 or 0.'),
  recordingUp: gauge('ostiary_recording_up', 'Whether the events of every worker are being written: 1 or 0.'),
  startTime: gauge('process_start_time_seconds', 'When the process started, in seconds since the epoch.'),
  residentMemory: gauge('process_resident_memory_bytes', 'Resident memory of the process.'),
  cpu: counter('process_cpu_seconds', 'User and system CPU time of the process.'),
} as const satisfies Readonly<Record<string, Metric>>
