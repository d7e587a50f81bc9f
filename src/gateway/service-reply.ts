import type { Duplex } from 'node:stream'
import type { Exchange, ReplyHeaders, ReplySink } from '#core/exchange.ts'
import { Problem } from '#core/problems.ts'
import { discardBody } from '#http/discard-body.ts'
import { upgradeOf } from '#http/upgrades.ts'
import { publicReference } from '#services/public-reference.ts'
import { serviceReplyHeaders } from '#services/reply-headers.ts'
import type { Call } from './call.ts'
import { nonceHeader } from './challenge.ts'
import { expiryHeader } from './expiry-header.ts'
import { limitHeaders } from './limit-headers.ts'
import type { ServiceRoute } from './routes.ts'
import { Tunnel } from './tunnel.ts'

/**
 * A service’s answer on its way to the caller, as it comes, with back-pressure. A service that fails once the head has left
 * cannot be told of but by breaking the connection, so that no caller takes a part for the whole.
 */
export class ServiceReply implements ReplySink {
  exchange: Exchange | null = null
  /** Resolves when the answer has left or the caller is gone. Rejects, where nothing was sent yet, with `upstream.*` or `request.*`. */
  readonly over: Promise<void>
  readonly #call: Call
  readonly #route: ServiceRoute
  readonly #stallMs: number
  readonly #onTunnel: (tunnel: Tunnel) => void
  readonly #reject: (error: Error) => void
  #stalled: NodeJS.Timeout | undefined
  #isOver = false
  #onOver: (() => void) | null = null

  constructor(call: Call, route: ServiceRoute, stallMs: number, onTunnel: (tunnel: Tunnel) => void) {
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    this.over = promise
    this.#call = call
    this.#route = route
    this.#stallMs = stallMs
    this.#onTunnel = onTunnel
    this.#reject = reject
    call.onClosed = resolve
    call.res.on('drain', () => {
      clearTimeout(this.#stalled)
      this.exchange?.resume()
    })
    call.res.on('close', () => clearTimeout(this.#stalled))
  }

  onUpgrade(headers: ReplyHeaders, socket: Duplex): void {
    const { res, req } = this.#call
    const upgrade = upgradeOf(req)
    if (upgrade === undefined || String(headers.upgrade).toLowerCase() !== 'websocket') {
      socket.destroy()
      this.onError(new Problem('upstream.broken', { reason: 'upgrade' }))
      return
    }
    this.#call.headAt = performance.now()
    this.#call.upstreamStatus = 101
    this.#call.upgraded = true
    const ours = answerHeaders(this.#call, this.#route, 101, headers)
    res.writeHead(101, [...ours, 'connection', 'Upgrade', 'upgrade', 'websocket'])
    res.flushHeaders()
    const tunnel = new Tunnel(this.#call, upgrade, socket, this.#route.service.upstream.idleTimeoutMs)
    this.exchange = { resume() {}, abort: () => tunnel.close() }
    this.#onTunnel(tunnel)
  }

  onHead(status: number, headers: ReplyHeaders): void {
    const { res } = this.#call
    this.#call.headAt = performance.now()
    this.#call.upstreamStatus = status
    res.writeHead(status, answerHeaders(this.#call, this.#route, status, headers))
    // A short answer leaves in one write with its head; the head of any other does not wait for its body.
    setImmediate(() => {
      if (!res.writableEnded && !res.destroyed) res.flushHeaders()
    })
  }

  onData(chunk: Buffer): boolean {
    this.#call.bytesOut += chunk.length
    if (this.#call.res.write(chunk)) return true
    this.#expectReader()
    return false
  }

  onEnd(): void {
    const { res, req } = this.#call
    this.#finish()
    res.end()
    this.#expectReader()
    // Answered before it was read.
    discardBody(req)
  }

  onError(error: Error): void {
    const problem = error instanceof Problem ? error : new Problem('upstream.broken', { cause: error })
    this.#finish()
    const { res } = this.#call
    if (!res.headersSent) this.#reject(problem)
    else {
      this.#call.problem ??= problem
      res.destroy()
    }
  }

  hangUp(): void {
    this.exchange?.abort()
    this.#finish()
  }

  whenOver(callback: () => void): void {
    if (this.#isOver) callback()
    else this.#onOver = callback
  }

  /** A caller that reads nothing would hold the service’s connection, or its own, for ever. */
  #expectReader(): void {
    clearTimeout(this.#stalled)
    this.#stalled = setTimeout(() => this.#call.res.destroy(), this.#stallMs)
  }

  #finish(): void {
    this.#isOver = true
    this.#onOver?.()
  }
}

function answerHeaders(call: Call, { service }: ServiceRoute, status: number, headers: ReplyHeaders): string[] {
  const ours = ['x-request-id', call.id, 'x-ostiary-overhead-ms', call.overheadMs().toFixed(2)]
  ours.push(...nonceHeader(call), ...expiryHeader(call), ...limitHeaders('problem+json', call.ticket, call.at))
  if (status >= 400) ours.push('x-ostiary-upstream-status', String(status))
  return serviceReplyHeaders(headers, ours, reference => publicReference(service, service.upstream, reference))
}
