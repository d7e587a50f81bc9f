import type { Exchange, ReplyHeaders, ReplySink } from '#core/exchange.ts'
import { Problem } from '#core/problems.ts'
import type { MeteredUsage } from '#core/usage.ts'
import type { JsonObject } from '#http/strict-json.ts'
import { createUsageReader, type UsageReader, usageWithoutReply } from '#providers/usage/reader.ts'
import type { Call } from './call.ts'
import { endDrain, startDrain } from './drains.ts'
import type { Hold } from './limit-call.ts'
import type { OperationRoute } from './routes.ts'

/** What a reply keeps until somebody reads it; then the provider is stopped. */
const MAX_EARLY_BYTES = 64 * 1024

const NOBODY: Omit<ReplySink, 'onHead'> = { onData: () => true, onEnd() {}, onError() {} }

/**
 * A reply under way. What it says of its use is read as it arrives, whatever becomes of the caller, and is the call's as
 * soon as the reply is over: it ended, broke, was stopped, or was read on long enough.
 */
export class Reply implements ReplySink {
  status = 0
  headers: ReplyHeaders = {}
  exchange: Exchange | null = null
  /** A stream of server-sent events that can be told apart: one under a content encoding passes as bytes. */
  events = false
  /** Its last chunk was asked for by the gateway and is not the caller's. */
  readonly dropsUsageChunk: boolean
  /** Resolves at the head. Rejects with `upstream.*` or `request.caller_hung_up`. */
  readonly begun: Promise<this>
  readonly #resolve: (reply: this) => void
  readonly #reject: (error: Error) => void
  readonly #call: Call
  readonly #drainMs: number
  #openMeter: ((reply: this) => UsageReader) | null
  #usageWithoutReply: (() => MeteredUsage) | null
  #meter: UsageReader | null = null
  #reader: Omit<ReplySink, 'onHead'> | null = null
  #early: Buffer | null = null
  #ended = false
  #error: Error | null = null
  #over = false
  /** What stops the provider that is read on; null = it is not. */
  #drain: (() => void) | null = null
  #onOver: (() => void) | null = null

  constructor(call: Call, route: OperationRoute, { input, maxOutputTokens }: Hold, dropsUsageChunk: boolean) {
    const { promise, resolve, reject } = Promise.withResolvers<this>()
    this.begun = promise
    this.#resolve = resolve
    this.#reject = reject
    this.#call = call
    this.#drainMs = input.drainMs
    this.dropsUsageChunk = dropsUsageChunk
    const { body } = input
    const asked = {
      format: route.format,
      operation: route.id,
      inputBytes: body.length,
      body: () => JSON.parse(body.toString()) as JsonObject,
      maxOutputTokens,
    }
    this.#openMeter = ({ events, headers, status }) =>
      createUsageReader({
        ...asked,
        events,
        streams: isEventStream(headers) || route.operation.streams === true,
        encoded: isEncoded(headers),
        status,
        contentLength: lengthOf(headers),
      })
    this.#usageWithoutReply = () => usageWithoutReply(asked, call.stream)
  }

  onHead(status: number, headers: ReplyHeaders): void {
    this.status = status
    this.headers = headers
    this.events = isEventStream(headers) && !isEncoded(headers)
    this.#call.headAt = performance.now()
    this.#call.upstreamStatus = status
    this.#meter = this.#openMeter?.(this) ?? null
    // With them goes the body, which need not live as long as the reply.
    this.#openMeter = null
    this.#usageWithoutReply = null
    if (this.#drain === null) this.#resolve(this)
  }

  onData(chunk: Buffer): boolean {
    this.#meter?.push(chunk)
    if (this.#reader !== null) return this.#reader.onData(chunk)
    this.#early = this.#early === null ? chunk : Buffer.concat([this.#early, chunk])
    // A short reply is whole before anybody can read it: to stop the provider for it would cost more than it saves.
    return this.#early.length < MAX_EARLY_BYTES
  }

  onEnd(): void {
    this.#ended = true
    this.#finish(true)
    this.#reader?.onEnd()
  }

  onError(error: Error): void {
    this.#error = error
    this.#finish(false)
    if (this.status === 0) this.#reject(error)
    this.#reader?.onError(error)
  }

  /** The caller is gone, and nobody wants the rest: stops the provider, or reads on for its count if that may be. */
  hangUp(mayDrain = false): void {
    if (this.#over || this.#drain !== null) return
    const stop = () => this.#stop()
    if (!mayDrain || this.#drainMs === 0 || !startDrain(stop, this.#drainMs)) {
      stop()
      return
    }
    this.#drain = stop
    this.#reader = NOBODY
    this.#early = null
    this.exchange?.resume()
  }

  /** Calls back when nothing more will come; at once if that is so already. */
  whenOver(callback: () => void): void {
    if (this.#over) callback()
    else this.#onOver = callback
  }

  /** Hands over what is here already, then whatever comes. */
  readBy(reader: Omit<ReplySink, 'onHead'>): void {
    this.#reader = reader
    if (this.#early !== null && reader.onData(this.#early) && !this.#ended) this.exchange?.resume()
    this.#early = null
    if (this.#error !== null) reader.onError(this.#error)
    else if (this.#ended) reader.onEnd()
  }

  /** The whole body, if it is here already; null = more may come. */
  whole(): Buffer | null {
    return this.#ended && this.#error === null ? (this.#early ?? Buffer.alloc(0)) : null
  }

  #stop(): void {
    this.exchange?.abort()
    this.#finish(false)
  }

  #finish(whole: boolean): void {
    if (this.#over) return
    this.#over = true
    if (this.#drain !== null) endDrain(this.#drain)
    if (this.#meter !== null) this.#call.usage = this.#meter.end(whole)
    else if (wasSent(this.#error)) this.#call.usage = this.#usageWithoutReply?.() ?? null
    this.#meter = null
    this.#openMeter = null
    this.#usageWithoutReply = null
    // Of no effect once the head was passed on.
    const isAwaited = this.status === 0 || this.#drain !== null
    if (isAwaited && (this.#error === null || this.#drain !== null)) this.#reject(new Problem('request.caller_hung_up'))
    this.#onOver?.()
  }
}

/** Whether the provider may have got the request, for all that is known of how the exchange failed. */
function wasSent(error: Error | null): boolean {
  if (!(error instanceof Problem)) return true
  const neverConnected = error.reason === 'UND_ERR_CONNECT_TIMEOUT' || error.reason === 'ETIMEDOUT'
  return error.code !== 'upstream.unreachable' && error.code !== 'upstream.address_refused' && !neverConnected
}

function isEncoded(headers: ReplyHeaders): boolean {
  const encoding = headers['content-encoding']
  return encoding !== undefined && encoding !== 'identity'
}

function isEventStream(headers: ReplyHeaders): boolean {
  return String(headers['content-type'] ?? '').startsWith('text/event-stream')
}

/** Bytes of the body, where the head says so; null = it does not. */
function lengthOf(headers: ReplyHeaders): number | null {
  const length = headers['content-length']
  return typeof length === 'string' && /^\d{1,15}$/.test(length) ? Number(length) : null
}
