import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { Problem } from '#core/problems.ts'
import type { Upgrade } from '#http/upgrades.ts'
import type { Call } from './call.ts'

/** The longest that a timer can wait, ms. */
const MAX_TIMER_MS = 2 ** 31 - 1

/**
 * A WebSocket between caller and service: bytes through both ways, with back-pressure, until either ends, nothing passes for
 * `idleTimeoutMs`, the caller’s credential expires, or it is closed because it could not be opened any more. Nothing of it is read.
 */
export class Tunnel {
  readonly #call: Call
  readonly #caller: Socket
  readonly #service: Duplex
  readonly #idle: NodeJS.Timeout
  #expiry: NodeJS.Timeout | undefined

  constructor(call: Call, upgrade: Upgrade, service: Duplex, idleTimeoutMs: number) {
    const { socket } = upgrade
    this.#call = call
    this.#caller = socket
    this.#service = service
    this.#idle = setTimeout(() => this.close(), idleTimeoutMs)
    this.#expire(call.principal?.expiresAt ?? null, Date.now())
    const countIn = (count: number) => {
      call.bytesIn += count
    }
    const countOut = (count: number) => {
      call.bytesOut += count
    }
    const early = upgrade.take()
    countIn(early.length)
    if (early.length > 0) service.write(early)
    this.#pass(socket, service, countIn)
    this.#pass(service, socket, countOut)
    socket.on('close', () => this.close())
    service.on('close', () => this.#end())
    service.on('error', () => this.close())
  }

  /** `why` = it was not one of both that ended it. */
  close(why?: Problem): void {
    if (why !== undefined && !this.#caller.destroyed) this.#call.problem ??= why
    clearTimeout(this.#idle)
    clearTimeout(this.#expiry)
    this.#caller.destroy()
    this.#service.destroy()
  }

  #pass(from: Duplex, to: Duplex, count: (count: number) => void): void {
    from.on('data', (chunk: Buffer) => {
      count(chunk.length)
      this.#idle.refresh()
      if (!to.write(chunk)) from.pause()
    })
    to.on('drain', () => {
      this.#idle.refresh()
      from.resume()
    })
    from.on('end', () => to.end())
  }

  /** The service has gone: what it said last is still on its way. */
  #end(): void {
    clearTimeout(this.#expiry)
    if (this.#caller.writableFinished) this.close()
    else this.#caller.destroySoon()
  }

  /** Whoever could not connect any more does not stay connected. */
  #expire(expiresAt: number | null, now: number): void {
    if (expiresAt === null) return
    const wait = expiresAt - now
    this.#expiry = setTimeout(
      () => {
        if (wait > MAX_TIMER_MS) return this.#expire(expiresAt, Date.now())
        this.close(new Problem('auth.invalid_credential', { reason: 'expired' }))
      },
      Math.max(0, Math.min(wait, MAX_TIMER_MS)),
    )
  }
}
