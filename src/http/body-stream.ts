import type { IncomingMessage, ServerResponse } from 'node:http'
import { Readable } from 'node:stream'
import { Problem } from '#core/problems.ts'
import { onBroken } from './bodies.ts'

/** What of a body is kept for an upstream that does not take it as fast. */
const HIGH_WATER_BYTES = 64 * 1024

export interface BodyOptions {
  readonly maxBytes: number
  /** Longest pause while it is wanted, ms. */
  readonly stallMs: number
  readonly onBytes: (count: number) => void
}

/**
 * The body of a request as a stream that ends for itself: destroyed, it leaves the request and its connection as they are, so
 * that an answer can still leave. It ends with the `Problem` that the body ended by: `request.too_large`, `request.timeout`,
 * `request.malformed` or `request.caller_hung_up`. null = the request has none. Throws `request.too_large`.
 */
export function openBody(req: IncomingMessage, res: ServerResponse, options: BodyOptions): BodyStream | null {
  const { 'content-length': length, 'transfer-encoding': coding } = req.headers
  if (length !== undefined && Number(length) > options.maxBytes) throw new Problem('request.too_large')
  if (coding === undefined && Number(length ?? 0) === 0) return null
  return new BodyStream(req, res, options)
}

/** A body on its way. */
export class BodyStream extends Readable {
  readonly #req: IncomingMessage
  readonly #res: ServerResponse
  readonly #options: BodyOptions
  #size = 0
  #begun = false
  #stalled: NodeJS.Timeout | undefined
  readonly #arrival = Promise.withResolvers<void>()

  constructor(req: IncomingMessage, res: ServerResponse, options: BodyOptions) {
    super({ highWaterMark: HIGH_WATER_BYTES })
    this.#req = req
    this.#res = res
    this.#options = options
    // Who reads it hears of it; nobody does any more once the exchange is over.
    this.on('error', () => {})
    this.#arrival.promise.catch(() => {})
    onBroken(req, problem => this.destroy(problem))
  }

  /** Resolves when the first of it is here, or its end. Rejects with what it ended by. */
  whenBegun(): Promise<void> {
    this.read(0)
    return this.#arrival.promise
  }

  override _read(): void {
    if (!this.#begun) this.#begin()
    this.#expectMore()
    this.#req.resume()
  }

  #expectMore(): void {
    clearTimeout(this.#stalled)
    const late = () => this.destroy(new Problem('request.timeout', { reason: 'stalled' }))
    this.#stalled = setTimeout(late, this.#options.stallMs)
  }

  #begin(): void {
    this.#begun = true
    const { headers, httpVersion } = this.#req
    // Only now is the body wanted (RFC 9110 §10.1.1).
    if (headers.expect !== undefined && httpVersion === '1.1' && !this.#res.headersSent) this.#res.writeContinue()
    this.#req.on('data', this.#onData).on('end', this.#onEnd)
  }

  readonly #onData = (chunk: Buffer): void => {
    this.#size += chunk.length
    this.#options.onBytes(chunk.length)
    if (this.#size > this.#options.maxBytes) this.destroy(new Problem('request.too_large'))
    else {
      this.#arrival.resolve()
      this.#stalled?.refresh()
      if (this.push(chunk)) return
      // It is not the caller who pauses now.
      clearTimeout(this.#stalled)
      this.#stalled = undefined
      this.#req.pause()
    }
  }

  readonly #onEnd = (): void => {
    clearTimeout(this.#stalled)
    this.#arrival.resolve()
    this.push(null)
  }

  override _destroy(error: Error | null, callback: (error: Error | null) => void): void {
    clearTimeout(this.#stalled)
    this.#arrival.reject(error ?? new Problem('request.caller_hung_up'))
    this.#req.off('data', this.#onData).off('end', this.#onEnd)
    // What is still to come is nobody's, and must not stand in the way of the connection's next request.
    this.#req.resume()
    callback(error)
  }
}
