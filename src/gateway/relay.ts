import { Problem } from '#core/problems.ts'
import { withoutUsageChunk } from '#providers/usage/usage-chunk.ts'
import type { Call } from './call.ts'
import { EventHold } from './event-hold.ts'
import { renderStreamError } from './render-problem.ts'
import type { Reply } from './reply.ts'
import { replyHeaders } from './reply-headers.ts'

/**
 * Passes the reply on as it comes, with back-pressure both ways; resolves when the answer has left or the caller is
 * gone. A provider that fails from here on cannot change the status: an event stream ends with the format's own error
 * event, anything else by breaking the connection, so that no caller takes a part for the whole.
 */
export function relay(call: Call, reply: Reply, stallMs: number): Promise<void> {
  const { res } = call
  const { events } = reply
  res.writeHead(reply.status, replyHeaders(call, reply, events))
  return new Promise(resolve => {
    call.onClosed = resolve
    const body = reply.whole()
    if (body !== null) {
      const whole = events && reply.dropsUsageChunk ? withoutUsageChunk(body) : body
      call.bytesOut = whole.length
      // The bytes as a string: with the head they leave in one write of one buffer.
      res.end(whole.toString('latin1'), 'latin1')
      return
    }
    // The head leaves before the first event: a caller sees at once that it was accepted.
    if (events) res.flushHeaders()
    new Relay(call, reply, stallMs)
  })
}

class Relay {
  readonly #call: Call
  readonly #hold: EventHold | null
  readonly #drops: boolean
  readonly #stallMs: number
  #stalled: NodeJS.Timeout | undefined

  constructor(call: Call, reply: Reply, stallMs: number) {
    this.#call = call
    this.#hold = reply.events ? new EventHold() : null
    this.#drops = reply.events && reply.dropsUsageChunk
    this.#stallMs = stallMs
    call.res.on('drain', () => {
      clearTimeout(this.#stalled)
      reply.exchange?.resume()
    })
    call.res.on('close', () => clearTimeout(this.#stalled))
    reply.readBy(this)
  }

  onData(chunk: Buffer): boolean {
    const whole = this.#hold === null ? chunk : this.#hold.push(chunk)
    const ready = whole !== null && this.#drops ? withoutUsageChunk(whole) : whole
    if (ready === null || ready.length === 0) return true
    this.#call.bytesOut += ready.length
    if (this.#call.res.write(ready)) return true
    this.#expectReader()
    return false
  }

  /** A caller that reads nothing would hold the provider's connection, or its own, for ever. */
  #expectReader(): void {
    clearTimeout(this.#stalled)
    this.#stalled = setTimeout(() => this.#call.res.destroy(), this.#stallMs)
  }

  onEnd(): void {
    const held = this.#hold?.rest() ?? null
    const rest = held !== null && this.#drops ? withoutUsageChunk(held) : held
    this.#call.bytesOut += rest?.length ?? 0
    this.#call.res.end(rest)
    this.#expectReader()
  }

  onError(error: Error): void {
    const { res, route } = this.#call
    const problem = error instanceof Problem ? error : new Problem('upstream.broken', { cause: error })
    this.#call.problem = problem
    if (this.#hold === null || this.#hold.midEvent || route === null) res.destroy()
    else res.end(renderStreamError(route.format, problem, this.#call.id))
  }
}
