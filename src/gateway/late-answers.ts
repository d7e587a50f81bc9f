import type { Socket } from 'node:net'
import type { Call } from './call.ts'

/** How late. */
const HOLD_MS = 1000
/** Answers held at a time in a worker; further calls lose their connection, unanswered. */
const MAX_HELD = 1000

interface Held {
  readonly due: number
  readonly socket: Socket
  readonly send: () => void
}

/** Answers that leave late: who asks over one connection at a time can only ask again when they have. */
export class LateAnswers {
  readonly #queue: Held[] = []
  /** Connections whose answer is held. */
  readonly #sockets = new Set<Socket>()
  #timer: NodeJS.Timeout | undefined

  /** False where it cannot be held: the connection is cut. So is one that asks again before it has its answer. */
  hold(call: Call): boolean {
    const { answer } = call
    if (answer === null) return true
    const { socket } = call.req
    if (this.#sockets.size >= MAX_HELD || this.#sockets.has(socket)) {
      call.answer = null
      socket.destroy()
      return false
    }
    this.#sockets.add(socket)
    call.answer = () => {
      call.answer = null
      this.#queue.push({ due: performance.now() + HOLD_MS, socket, send: answer })
      this.#timer ??= setTimeout(() => this.#send(), HOLD_MS).unref()
    }
    return true
  }

  #send(): void {
    this.#timer = undefined
    const now = performance.now()
    const rest = this.#queue.findIndex(({ due }) => due > now)
    for (const { socket, send } of this.#queue.splice(0, rest === -1 ? this.#queue.length : rest)) {
      this.#sockets.delete(socket)
      send()
    }
    const [next] = this.#queue
    if (next !== undefined) this.#timer = setTimeout(() => this.#send(), Math.max(1, next.due - now)).unref()
  }
}
