import { lookup } from 'node:dns'
import { BlockList, isIP, type LookupFunction } from 'node:net'
import type { Duplex } from 'node:stream'
import type { Dispatcher } from 'undici'
// The pool alone: the package's index also loads fetch, WebSocket and caches, 12 MB a worker that nothing here uses.
import Pool from 'undici/lib/dispatcher/pool.js'
import type { Exchange, ReplyHeaders, ReplySink, Send, UpstreamRequest } from '#core/exchange.ts'
import { Problem } from '#core/problems.ts'

export interface UpstreamOptions {
  /** Scheme, host and port. */
  readonly origin: string
  /** Connections kept to the origin at most. */
  readonly connections: number
  readonly connectTimeoutMs: number
  /** Up to the reply's head. */
  readonly timeoutMs: number
  /** Between two chunks of the reply. */
  readonly idleTimeoutMs: number
  /** Whether the origin's name may resolve to a private address. An address or `localhost` in the origin itself is named by config and allowed. */
  readonly allowPrivateNetwork: boolean
  /** What becomes of a redirect; default: the reply is refused. */
  readonly redirects?: 'refuse' | 'pass'
}

export interface Upstream extends AsyncDisposable {
  readonly send: Send<UpstreamRequest>
}

/**
 * The one outbound client: a connection pool to one origin. Follows no redirect, resumes no cookie, and connects to
 * public addresses only unless told otherwise: the address is checked as resolved, at connect, not by name before.
 */
export function createUpstream(options: UpstreamOptions): Upstream {
  const pool = new Pool(options.origin, {
    connections: options.connections,
    pipelining: 1,
    allowH2: false,
    // Kept here instead: the pool makes and drops two timers a call where the two bounds differ, which doubled the
    // cost of collecting garbage.
    headersTimeout: 0,
    bodyTimeout: 0,
    keepAliveTimeout: 30_000,
    connect: { timeout: options.connectTimeoutMs, lookup: lookupFor(options) },
  })
  const deadlines = new Deadlines(options)
  return {
    send(request, sink) {
      const exchange = new UpstreamExchange(sink, deadlines, options.redirects === 'pass')
      pool.dispatch(toDispatch(request), exchange)
      return exchange
    },
    // Waits for running exchanges, so a reload lets the calls of the old generation end.
    async [Symbol.asyncDispose]() {
      await pool.close()
      deadlines.stop()
    },
  }
}

function toDispatch(request: UpstreamRequest): Dispatcher.DispatchOptions {
  return {
    method: request.method as Dispatcher.HttpMethod,
    path: request.path,
    headers: request.headers,
    body: request.body,
    ...(request.upgrade !== undefined && { upgrade: request.upgrade }),
  }
}

const NOBODY: ReplySink = { onHead() {}, onData: () => true, onEnd() {}, onError() {} }

class UpstreamExchange implements Exchange, Dispatcher.DispatchHandler {
  #sink: ReplySink
  #controller: Dispatcher.DispatchController | undefined
  readonly #deadlines: Deadlines
  readonly #slot: number
  readonly #passesRedirects: boolean
  #hasHead = false
  #over = false
  /** When patience ends, `performance.now()`. */
  deadline: number

  constructor(sink: ReplySink, deadlines: Deadlines, passesRedirects: boolean) {
    this.#sink = sink
    this.#passesRedirects = passesRedirects
    this.#deadlines = deadlines
    this.deadline = deadlines.forHead()
    this.#slot = deadlines.watch(this)
  }

  resume(): void {
    if (this.#over) return
    this.deadline = this.#deadlines.forNext()
    this.#controller?.resume()
  }

  abort(): void {
    if (this.#over) return
    this.#end()
    this.#controller?.abort(new Error('The exchange was stopped'))
  }

  expire(): void {
    const sink = this.#sink
    this.abort()
    sink.onError(new Problem('upstream.timeout', { reason: 'deadline' }))
  }

  /** Returns whom to tell. The pool keeps a connection's last exchange until its next one: the call must not live as long. */
  #end(): ReplySink {
    const sink = this.#sink
    this.#over = true
    this.#sink = NOBODY
    this.#deadlines.forget(this.#slot)
    return sink
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#controller = controller
    if (this.#over) controller.abort(new Error('The exchange was stopped'))
  }

  /** As long as it is being sent to, it is not late. */
  onBodySent(): void {
    if (this.#over || this.deadline === Number.POSITIVE_INFINITY) return
    this.deadline = this.#hasHead ? this.#deadlines.forNext() : this.#deadlines.forHead()
  }

  onResponseStart(_controller: Dispatcher.DispatchController, status: number, headers: ReplyHeaders): void {
    if (this.#over || status < 200) return
    this.#hasHead = true
    this.deadline = this.#deadlines.forNext()
    if (status >= 300 && status < 400 && status !== 304 && !this.#passesRedirects) {
      // Passed on, a redirect would have the caller's client carry its key wherever the reply points.
      const sink = this.#sink
      this.abort()
      sink.onError(new Problem('upstream.broken', { reason: 'redirect' }))
    } else {
      this.#sink.onHead(status, headers)
    }
  }

  onRequestUpgrade(
    _controller: Dispatcher.DispatchController,
    _status: number,
    headers: ReplyHeaders,
    socket: Duplex,
  ): void {
    if (this.#over || this.#sink.onUpgrade === undefined) socket.destroy()
    else this.#end().onUpgrade?.(headers, socket)
  }

  onResponseData(controller: Dispatcher.DispatchController, chunk: Buffer): void {
    if (this.#over) return
    if (this.#sink.onData(chunk)) this.deadline = this.#deadlines.forNext()
    else {
      // As long as the caller does not read, the provider is not late.
      this.deadline = Number.POSITIVE_INFINITY
      controller.pause()
    }
  }

  onResponseEnd(): void {
    if (this.#over) return
    this.#end().onEnd()
  }

  onResponseError(_controller: Dispatcher.DispatchController, error: Error): void {
    if (this.#over) return
    this.#end().onError(toProblem(error))
  }
}

/**
 * Ends exchanges that wait too long, looked at together at intervals: a timer for each would cost more than the wait.
 * Slots that are emptied at once, and not a Set: what a Set's discarded tables still name would outlive its call and
 * keep the collector busy.
 */
class Deadlines {
  readonly #slots: (UpstreamExchange | null)[] = []
  readonly #free: number[] = []
  readonly #options: UpstreamOptions
  readonly #sweep: NodeJS.Timeout

  constructor(options: UpstreamOptions) {
    this.#options = options
    const shortest = Math.min(options.timeoutMs, options.idleTimeoutMs)
    this.#sweep = setInterval(() => this.#expire(), Math.min(500, Math.max(10, shortest / 4)))
    this.#sweep.unref()
  }

  /** Returns the exchange's slot. */
  watch(exchange: UpstreamExchange): number {
    const slot = this.#free.pop() ?? this.#slots.length
    this.#slots[slot] = exchange
    return slot
  }

  forget(slot: number): void {
    this.#slots[slot] = null
    this.#free.push(slot)
  }

  forHead(): number {
    return performance.now() + this.#options.timeoutMs
  }

  forNext(): number {
    return performance.now() + this.#options.idleTimeoutMs
  }

  stop(): void {
    clearInterval(this.#sweep)
  }

  #expire(): void {
    const now = performance.now()
    for (const exchange of this.#slots) if (exchange !== null && exchange.deadline < now) exchange.expire()
  }
}

function toProblem(error: Error & { code?: string }): Problem {
  // What the body itself ended by.
  if (error instanceof Problem) return error
  const reason = error.code ?? error.name
  switch (reason) {
    case 'UND_ERR_CONNECT_TIMEOUT':
    case 'ETIMEDOUT':
      return new Problem('upstream.timeout', { cause: error, reason })
    case 'ECONNREFUSED':
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
    case 'EHOSTUNREACH':
    case 'ENETUNREACH':
      return new Problem('upstream.unreachable', { cause: error, reason })
    case PRIVATE_ADDRESS:
      return new Problem('upstream.address_refused', { cause: error, reason: 'private_address' })
    default:
      return new Problem('upstream.broken', { cause: error, reason })
  }
}

const PRIVATE_ADDRESS = 'OSTIARY_PRIVATE_ADDRESS'

// IANA special-purpose registries (RFC 6890): nothing on the public internet answers from these.
const privateAddresses = new BlockList()
for (const [network, bits] of [
  ['0.0.0.0', 8],
  ['10.0.0.0', 8],
  ['100.64.0.0', 10],
  ['127.0.0.0', 8],
  ['169.254.0.0', 16],
  ['172.16.0.0', 12],
  ['192.0.0.0', 24],
  ['192.0.2.0', 24],
  ['192.88.99.0', 24],
  ['192.168.0.0', 16],
  ['198.18.0.0', 15],
  ['198.51.100.0', 24],
  ['203.0.113.0', 24],
  ['224.0.0.0', 3],
] as const) {
  privateAddresses.addSubnet(network, bits, 'ipv4')
}
for (const [network, bits] of [
  ['::', 96],
  ['64:ff9b::', 96],
  ['64:ff9b:1::', 48],
  ['100::', 64],
  ['2001::', 23],
  ['2001:db8::', 32],
  ['2002::', 16],
  ['fc00::', 7],
  ['3fff::', 20],
  ['5f00::', 16],
  ['fe80::', 10],
  ['fec0::', 10],
  ['ff00::', 8],
] as const) {
  privateAddresses.addSubnet(network, bits, 'ipv6')
}

/** Whether an address belongs to no host of the public internet. IPv4-mapped addresses count as IPv4. */
export function isPrivateAddress(address: string): boolean {
  const family = isIP(address)
  if (family === 0) return true
  return privateAddresses.check(address, family === 4 ? 'ipv4' : 'ipv6')
}

function lookupFor(options: UpstreamOptions): LookupFunction {
  const named = new URL(options.origin).hostname
  const mayBePrivate = options.allowPrivateNetwork || named === 'localhost'
  return (hostname, hints, callback) => {
    lookup(hostname, { ...hints, all: true }, (error, addresses) => {
      if (error) return callback(error, '', 0)
      const usable = mayBePrivate ? addresses : addresses.filter(({ address }) => !isPrivateAddress(address))
      const first = usable[0]
      if (first === undefined) {
        const refusal: NodeJS.ErrnoException = new Error(`${hostname} resolves to a private address`)
        refusal.code = PRIVATE_ADDRESS
        return callback(refusal, '', 0)
      }
      if (hints.all) callback(null, usable)
      else callback(null, first.address, first.family)
    })
  }
}
