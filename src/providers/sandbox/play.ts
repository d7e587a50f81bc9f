import type { Exchange, ReplySink } from '#core/exchange.ts'
import { Problem } from '#core/problems.ts'
import type { Script } from './script.ts'
import type { SandboxSettings } from './settings.ts'

/** Sent at most in one turn of the event loop, so that a long answer leaves room for other calls. */
const TURN_BYTES = 64 * 1024

/** Plays the script to the sink, from the next turn of the event loop on. */
export function play(
  script: Script,
  pace: Pick<SandboxSettings, 'latencyMs' | 'chunkDelayMs'>,
  sink: ReplySink,
): Exchange {
  return new Player(script, pace.latencyMs, script.streamed ? pace.chunkDelayMs : 0, sink)
}

class Player implements Exchange {
  readonly #script: Script
  readonly #delayMs: number
  readonly #sink: ReplySink
  readonly #parts: Iterator<string>
  #timer: NodeJS.Timeout | undefined
  #immediate: NodeJS.Immediate | undefined
  #blocked = false
  #over = false

  constructor(script: Script, latencyMs: number, delayMs: number, sink: ReplySink) {
    this.#script = script
    this.#delayMs = delayMs
    this.#sink = sink
    this.#parts = script.parts[Symbol.iterator]()
    if (script.ending !== 'never') this.#later(() => this.#begin(), latencyMs)
  }

  resume(): void {
    if (!this.#blocked || this.#over) return
    this.#blocked = false
    this.#later(() => this.#continue(), this.#delayMs)
  }

  abort(): void {
    this.#over = true
    clearTimeout(this.#timer)
    clearImmediate(this.#immediate)
  }

  #later(step: () => void, delayMs: number): void {
    if (delayMs > 0) this.#timer = setTimeout(step, delayMs)
    else this.#immediate = setImmediate(step)
  }

  #begin(): void {
    this.#sink.onHead(this.#script.status, this.#script.headers)
    this.#continue()
  }

  #continue(): void {
    let sent = 0
    // The sink may abort from within any of its calls.
    while (!this.#over) {
      const part = this.#parts.next()
      if (part.done) {
        this.#finish()
        return
      }
      const chunk = Buffer.from(part.value)
      sent += chunk.length
      if (!this.#sink.onData(chunk)) {
        this.#blocked = true
        return
      }
      if (this.#over) return
      if (this.#delayMs > 0 || sent >= TURN_BYTES) {
        this.#later(() => this.#continue(), this.#delayMs)
        return
      }
    }
  }

  #finish(): void {
    if (this.#script.ending === 'reset') {
      // A turn later, so that what was sent before can leave the process.
      this.#later(() => this.#breakOff(), this.#delayMs)
      return
    }
    this.#over = true
    this.#sink.onEnd()
  }

  #breakOff(): void {
    this.#over = true
    const cause = Object.assign(new Error('read ECONNRESET'), { code: 'ECONNRESET' })
    this.#sink.onError(new Problem('upstream.broken', { reason: cause.code, cause }))
  }
}
