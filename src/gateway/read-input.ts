import { readJsonBody } from '#http/bodies.ts'
import { type JsonObject, parseStrictBody, type StrictJson } from '#http/strict-json.ts'
import { formats } from '#providers/formats.ts'
import { refuseStateful } from '#providers/stateful.ts'
import type { Call } from './call.ts'
import type { OperationRoute } from './routes.ts'

declare const read: unique symbol

export interface InputLimits {
  readonly maxBodyBytes: number
  readonly maxJsonDepth: number
  /** How long a caller may take to accept what is written to it, ms. */
  readonly timeoutMs: number
  /** How long a caller may pause within what is passed on to a service, ms. */
  readonly headTimeoutMs: number
  /** When a caller hangs up: stop the provider, or read on for its own count of what was used. */
  readonly onHangUp: 'stop' | 'drain'
  /** How long it is read on, ms. */
  readonly drainMs: number
}

/** A body that was read strictly and fits its operation. Made here only. */
export type Input = {
  /** The caller's bytes. */
  readonly body: Buffer
  /** Model as the caller named it, in the body or the path. */
  readonly model: string
  /** Where the body names the model; null = the path does. */
  readonly modelRange: StrictJson['model']
  /** The body, parsed, until it has been forwarded: what lives as long as a reply is moved about by the garbage collector. */
  json: JsonObject
  /** How long the provider is read on when the caller hangs up, ms; 0 = it is stopped. */
  readonly drainMs: number
} & { readonly [read]: true }

/** Reads and checks the body. Throws the 400s, 413 and 415 of `request.*` and `route.stateful_operation`. */
export async function readInput(call: Call, route: OperationRoute, limits: InputLimits): Promise<Input> {
  const body = await readJsonBody(call.req, call.res, limits.maxBodyBytes)
  call.inputAt = performance.now()
  call.bytesIn = body.length
  const json = parseStrictBody(body, limits.maxJsonDepth)
  route.operation.checkBody(json.value)
  const model = route.model ?? (json.value.model as string)
  call.model = model
  call.stream = route.operation.streams ?? json.value.stream === true
  refuseStateful(formats[route.format], json.value)
  const modelRange = route.model === null ? json.model : null
  const drainMs = limits.onHangUp === 'drain' ? limits.drainMs : 0
  return { body, model, modelRange, json: json.value, drainMs } as Input
}
