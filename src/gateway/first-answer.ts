import type { ReplyHeaders, ReplySink } from '#core/exchange.ts'
import type { Reply } from './reply.ts'

/** What is read of a refusal so that its connection can be used again; beyond it, the connection is ended. */
const MAX_DROPPED_BYTES = 64 * 1024

/**
 * Hears the answer to a request under a credential that was changed a moment ago. A 401 goes no further: `again` asks
 * once more with the credential before. Nothing has been sent to the caller yet, and the body is still here.
 */
export class FirstAnswer implements ReplySink {
  readonly #reply: Reply
  readonly #again: () => void
  #exchange: Reply['exchange'] = null
  #refused = false
  #dropped = 0

  constructor(reply: Reply, again: () => void) {
    this.#reply = reply
    this.#again = again
  }

  onHead(status: number, headers: ReplyHeaders): void {
    this.#refused = status === 401
    if (this.#refused) {
      this.#exchange = this.#reply.exchange
      this.#again()
    } else this.#reply.onHead(status, headers)
  }

  onData(chunk: Buffer): boolean {
    if (!this.#refused) return this.#reply.onData(chunk)
    this.#dropped += chunk.length
    if (this.#dropped > MAX_DROPPED_BYTES) this.#exchange?.abort()
    return true
  }

  onEnd(): void {
    if (!this.#refused) this.#reply.onEnd()
  }

  onError(error: Error): void {
    if (!this.#refused) this.#reply.onError(error)
  }
}
