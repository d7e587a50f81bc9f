import { createServer, type IncomingMessage, type Server, ServerResponse, STATUS_CODES } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import { newId } from '#core/ids.ts'
import { Problem, problemTypes, toProblemJson } from '#core/problems.ts'
import { awaitProxyHeader } from './await-proxy-header.ts'
import { markBroken } from './bodies.ts'
import type { FindClient } from './client-address.ts'
import type { ConnectionCap, ConnectionCaps } from './connection-caps.ts'
import { notePeer, peerOf } from './peer.ts'
import { asksForWebSocket, keepUpgrade, Upgrade } from './upgrades.ts'

export interface ListenerOptions {
  /** `localhost` = both loopback addresses. */
  readonly host: string
  readonly port: number
  /** Shares the port with the listeners of other threads (SO_REUSEPORT). */
  readonly reusePort: boolean
  readonly maxConnections: number
  readonly headTimeoutMs: number
  /** For the whole request, body included. */
  readonly timeoutMs: number
  /** Told where the request comes from, or why that cannot be told. */
  readonly handle: (req: IncomingMessage, res: ServerResponse, client: string | Problem) => void
  /** Default: the peer of the connection. */
  readonly findClient?: FindClient
  /** Whose connections begin with a header of the PROXY protocol, as all must; undefined = none does. */
  readonly proxyProtocolOf?: ((address: string) => boolean) | undefined
  /** Of each address; undefined = none. */
  readonly caps?: ConnectionCaps
  /** Told of each connection that was closed because it was beyond a cap. */
  readonly onCapped?: (source: string, cap: ConnectionCap) => void
  /** A request that never became one: answered here, told there. */
  readonly onMalformed?: (id: string, source: string, problem: Problem) => void
}

export interface Listener {
  readonly port: number
  /** Connections that are open now. */
  connections(): number
  /** Takes no further connection or request; resolves when the running ones have ended, at the latest after `timeoutMs`. */
  drain(timeoutMs: number): Promise<void>
}

export const MAX_HEAD_BYTES = 16 * 1024
/** What a caller has to take note of the refusal of its bytes. */
const LINGER_MS = 2000

/** Opens a plaintext HTTP/1.1 listener, on both address families where the host is `localhost`. */
export async function openListener(options: ListenerOptions): Promise<Listener> {
  const hosts = options.host === 'localhost' ? ['127.0.0.1', '::1'] : [options.host]
  const servers: DrainableServer[] = []
  let port = options.port
  try {
    for (const host of hosts) {
      const server = createHttpServer(options)
      if (await listen(server, host, port, options.reusePort)) {
        servers.push(server)
        port = (server.address() as AddressInfo).port
      }
    }
  } catch (error) {
    for (const server of servers) server.close()
    throw error
  }
  if (servers.length === 0) {
    throw new Problem('start.port_in_use', { detail: `${options.host} is no address of this machine.` })
  }
  return {
    port,
    connections: () => servers.reduce((sum, { sockets }) => sum + sockets.size, 0),
    drain: timeoutMs => drain(servers, timeoutMs),
  }
}

/** Refuses a port on which anybody listens already: SO_REUSEPORT alone would let us share it with a stranger of the same user. */
export async function claimPort(host: string, port: number): Promise<number> {
  const probe = await openListener({
    host,
    port,
    reusePort: false,
    maxConnections: 1,
    headTimeoutMs: 1000,
    timeoutMs: 1000,
    handle: (_req, res) => res.destroy(),
  })
  await probe.drain(0)
  return probe.port
}

function createHttpServer(options: ListenerOptions): DrainableServer {
  const server: DrainableServer = Object.assign(
    createServer({
      maxHeaderSize: MAX_HEAD_BYTES,
      headersTimeout: Math.min(options.headTimeoutMs, options.timeoutMs),
      requestTimeout: options.timeoutMs,
      connectionsCheckingInterval: Math.min(5000, options.headTimeoutMs),
      keepAliveTimeout: 65_000,
      // Two `Authorization` headers must be seen as two: by default Node drops the second silently.
      joinDuplicateHeaders: true,
      // Looked at below, where the refusal is recorded.
      requireHostHeader: false,
      // Whoever asks for anything else, or before the answer to the last request, is answered as if they had not.
      shouldUpgradeCallback: req => asksForWebSocket(req) && responseOf(req.socket) === undefined,
    }),
    { draining: false, sockets: new Set<Socket>(), introducing: new Set<Socket>() },
  )
  server.maxConnections = options.maxConnections
  // No bound but the head's size: beyond a number, Node drops headers silently, a second credential among them.
  server.maxHeadersCount = 0
  const { findClient = req => peerOf(req.socket) } = options
  const handle = (req: IncomingMessage, res: ServerResponse) => {
    // What follows belongs to a request that was refused, or is no request.
    if (ended.has(req.socket)) return
    if (server.draining) res.shouldKeepAlive = false
    // Of what follows an upgrade that is not taken up, Node drops what came with the head: nobody knows where the next begins.
    if (req.headers.upgrade !== undefined) endAfter(req, res)
    const { host, 'transfer-encoding': coding } = req.headers
    // RFC 9112 §3.2: exactly one.
    if (host === undefined ? req.httpVersion !== '1.0' : host.includes(',')) {
      return refuseHead(req, res, 'host', options.onMalformed)
    }
    // Node takes off the last coding only, and where the body ends with another one before it is anybody's guess (RFC 9112 §6.1).
    if (coding !== undefined && (coding.toLowerCase() !== 'chunked' || req.httpVersion === '1.0')) {
      return refuseHead(req, res, 'transfer_encoding', options.onMalformed)
    }
    options.handle(req, res, findClient(req))
  }
  server.on('request', handle)
  server.on('checkContinue', handle)
  server.on('upgrade', (req, socket, head) => handle(req, answerUpgrade(req, socket as Socket, head)))
  server.on('checkExpectation', (req, res) => refuseHead(req, res, 'expectation', options.onMalformed))
  capConnections(server, options)
  server.on('clientError', (error: NodeJS.ErrnoException, socket) => {
    refuseBytes(socket as Socket, malformed(error), options.onMalformed)
  })
  return server
}

/** The answer to a request that the connection was given up for: whatever it says, no other follows. */
function answerUpgrade(req: IncomingMessage, socket: Socket, head: Buffer): ServerResponse {
  const res = new ServerResponse(req)
  res.shouldKeepAlive = false
  socket.on('error', () => {})
  res.assignSocket(socket)
  res.on('finish', () => {
    boundLinger(socket)
    socket.destroySoon()
  })
  keepUpgrade(req, new Upgrade(socket, head))
  return res
}

/** Counts each connection before anything is made for it; one that is beyond a cap is reset at once. */
function capConnections(server: DrainableServer, options: ListenerOptions): void {
  const { caps, onCapped, proxyProtocolOf } = options
  // Node's own, which sets up a parser: it is called for what is admitted.
  const serve = server.listeners('connection') as ((this: Server, socket: Socket) => void)[]
  server.removeAllListeners('connection')
  const admit = (socket: Socket) => {
    const source = peerOf(socket)
    const leave = caps?.enter(source)
    if (typeof leave === 'string') {
      socket.resetAndDestroy()
      onCapped?.(source, leave)
      return
    }
    server.sockets.add(socket)
    socket.on('close', () => {
      server.sockets.delete(socket)
      leave?.()
    })
    for (const each of serve) each.call(server, socket)
  }
  if (proxyProtocolOf === undefined) server.on('connection', admit)
  else server.on('connection', socket => introduce(server, socket, options, admit))
  // Beyond `maxConnections`: closed by Node.
  server.on('drop', dropped => onCapped?.(dropped?.remoteAddress ?? '', 'worker'))
}

/** Learns from the proxy in front for whom a connection speaks, before anything of it is served. */
function introduce(
  server: DrainableServer,
  socket: Socket,
  { proxyProtocolOf, headTimeoutMs, onMalformed }: ListenerOptions,
  admit: (socket: Socket) => void,
): void {
  const peer = peerOf(socket)
  const refused = (reason: string) =>
    onMalformed?.(newId('req', Date.now()), peer, new Problem('request.client_address', { reason }))
  if (!proxyProtocolOf?.(peer)) {
    socket.resetAndDestroy()
    // Gone before it was taken, as checks of whether the port is open are: nobody was refused.
    if (peer === '') return
    refused('proxy_untrusted')
    return
  }
  server.introducing.add(socket)
  awaitProxyHeader(socket, {
    timeoutMs: headTimeoutMs,
    onHeader(client) {
      server.introducing.delete(socket)
      notePeer(socket, client)
      admit(socket)
    },
    onRefused(why) {
      server.introducing.delete(socket)
      if (why !== null) refused(why)
    },
  })
}

interface DrainableServer extends Server {
  draining: boolean
  readonly sockets: Set<Socket>
  /** Connections of which it is not known yet for whom they speak. */
  readonly introducing: Set<Socket>
}

/** The response that a connection is at work on; undefined = none. */
function responseOf(socket: Socket): ServerResponse | undefined {
  return (socket as Socket & { _httpMessage?: ServerResponse | null })._httpMessage ?? undefined
}

/** Connections on which no further request is taken. */
const ended = new WeakSet<Socket>()

/** Ends the connection with this answer, also where more has arrived already. */
function endAfter(req: IncomingMessage, res: ServerResponse): void {
  res.shouldKeepAlive = false
  ended.add(req.socket)
}

function refuseHead(
  req: IncomingMessage,
  res: ServerResponse,
  reason: string,
  onMalformed: ListenerOptions['onMalformed'],
): void {
  const problem = new Problem('request.malformed', { reason })
  const id = newId('req', Date.now())
  onMalformed?.(id, peerOf(req.socket), problem)
  const body = JSON.stringify(toProblemJson(problem, id))
  endAfter(req, res)
  res.writeHead(problem.status, {
    'content-type': 'application/problem+json',
    'content-length': Buffer.byteLength(body),
    'x-request-id': id,
  })
  res.end(body)
}

/** Bytes that are no request, or not the rest of one. */
function refuseBytes(socket: Socket, problem: Problem, onMalformed: ListenerOptions['onMalformed']): void {
  const running = responseOf(socket)
  if (running !== undefined) {
    // A request is being handled: who reads its body hears of it and answers; it is recorded there, once.
    running.shouldKeepAlive = false
    markBroken(running.req, problem)
    if (running.headersSent || !socket.writable) socket.destroy()
    return
  }
  const id = newId('req', Date.now())
  onMalformed?.(id, peerOf(socket), problem)
  if (!socket.writable || problemTypes[problem.code].status === null) {
    socket.destroy()
    return
  }
  const body = JSON.stringify(toProblemJson(problem, id))
  boundLinger(socket)
  socket.end(
    `HTTP/1.1 ${problem.status} ${STATUS_CODES[problem.status]}\r\nContent-Type: application/problem+json\r\n` +
      `Content-Length: ${Buffer.byteLength(body)}\r\nX-Request-Id: ${id}\r\nConnection: close\r\n\r\n${body}`,
  )
}

/** One that neither reads nor closes would hold its connection, and a place among those of its address, for ever. */
function boundLinger(socket: Socket): void {
  const linger = setTimeout(() => socket.destroy(), LINGER_MS)
  socket.once('close', () => clearTimeout(linger))
}

function malformed(error: NodeJS.ErrnoException): Problem {
  const reason = error.code ?? 'unknown'
  if (reason === 'HPE_HEADER_OVERFLOW') return new Problem('request.head_too_large', { reason })
  if (reason === 'ERR_HTTP_REQUEST_TIMEOUT') return new Problem('request.timeout', { reason })
  // HPE_INVALID_EOF_STATE: the caller's end in the middle of a message.
  if (reason === 'ECONNRESET' || reason === 'EPIPE' || reason === 'HPE_INVALID_EOF_STATE')
    return new Problem('request.caller_hung_up', { reason })
  return new Problem('request.malformed', { reason })
}

/** False where the address family does not exist on this machine. */
function listen(server: Server, host: string, port: number, reusePort: boolean): Promise<boolean> {
  return new Promise((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'EADDRNOTAVAIL' || error.code === 'EAFNOSUPPORT') resolve(false)
      else if (error.code === 'EADDRINUSE' || error.code === 'EACCES') {
        reject(new Problem('start.port_in_use', { detail: `${host}:${port} (${error.code})`, cause: error }))
      } else reject(error)
    })
    server.listen({ host, port, reusePort, ipv6Only: true, backlog: 1024 }, () => resolve(true))
  })
}

const cutResponses = new WeakSet<ServerResponse>()

/** Whether it was the listener that ended this response's connection, because draining took too long. */
export function wasCut(res: ServerResponse): boolean {
  return cutResponses.has(res)
}

async function drain(servers: readonly DrainableServer[], timeoutMs: number): Promise<void> {
  for (const server of servers) {
    server.draining = true
    // Nothing was asked over them yet.
    for (const socket of server.introducing) socket.destroy()
    for (const socket of server.sockets) {
      const running = responseOf(socket)
      if (running !== undefined) running.shouldKeepAlive = false
    }
  }
  const closed = servers.map(server => new Promise<void>(resolve => server.close(() => resolve())))
  // A kept-alive connection turns idle when its last answer ends, and would hold the server open until it times out.
  const sweep = setInterval(() => {
    for (const server of servers) server.closeIdleConnections()
  }, 50)
  const deadline = setTimeout(() => {
    for (const server of servers) {
      for (const socket of server.sockets) {
        const running = responseOf(socket)
        if (running !== undefined) cutResponses.add(running)
      }
      server.closeAllConnections()
      // Those that speak another protocol by now are not among them.
      for (const socket of server.sockets) socket.destroy()
    }
  }, timeoutMs)
  await Promise.all(closed)
  clearTimeout(deadline)
  clearInterval(sweep)
}
