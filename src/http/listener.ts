import { createServer, type IncomingMessage, type Server, type ServerResponse, STATUS_CODES } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import { Problem, problemTypes, toProblemJson } from '#core/problems.ts'

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
  readonly handle: (req: IncomingMessage, res: ServerResponse) => void
  /** A request that never became one: answered here, told there. */
  readonly onMalformed?: (source: string, problem: Problem) => void
}

export interface Listener {
  readonly port: number
  /** Takes no further connection or request; resolves when the running ones have ended, at the latest after `timeoutMs`. */
  drain(timeoutMs: number): Promise<void>
}

export const MAX_HEAD_BYTES = 16 * 1024

/** Opens a plaintext HTTP/1.1 listener, on both address families where the host is `localhost`. */
export async function openListener(options: ListenerOptions): Promise<Listener> {
  const hosts = options.host === 'localhost' ? ['127.0.0.1', '::1'] : [options.host]
  const servers: Server[] = []
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
  return { port, drain: timeoutMs => drain(servers, timeoutMs) }
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

function createHttpServer(options: ListenerOptions): Server {
  const server = createServer({
    maxHeaderSize: MAX_HEAD_BYTES,
    headersTimeout: options.headTimeoutMs,
    requestTimeout: options.timeoutMs,
    connectionsCheckingInterval: Math.min(5000, options.headTimeoutMs),
    keepAliveTimeout: 65_000,
    // Two `Authorization` headers must be seen as two: by default Node drops the second silently.
    joinDuplicateHeaders: true,
  })
  server.maxConnections = options.maxConnections
  server.maxHeadersCount = 100
  server.on('request', options.handle)
  server.on('checkContinue', options.handle)
  server.on('clientError', (error: NodeJS.ErrnoException, socket) => {
    const problem = malformed(error)
    options.onMalformed?.((socket as Socket).remoteAddress ?? '', problem)
    refuseRaw(socket as Socket, problem)
  })
  return server
}

function malformed(error: NodeJS.ErrnoException): Problem {
  const reason = error.code ?? 'unknown'
  if (reason === 'HPE_HEADER_OVERFLOW') return new Problem('request.head_too_large', { reason })
  if (reason === 'ERR_HTTP_REQUEST_TIMEOUT') return new Problem('request.timeout', { reason })
  if (reason === 'ECONNRESET' || reason === 'EPIPE') return new Problem('request.caller_hung_up', { reason })
  return new Problem('request.malformed', { reason })
}

function refuseRaw(socket: Socket, problem: Problem): void {
  // Bytes of an answer may be out already: then another head would be read as part of its body.
  const answering = (socket as Socket & { _httpMessage?: { headersSent: boolean } })._httpMessage?.headersSent === true
  if (!socket.writable || answering || problemTypes[problem.code].status === null) {
    socket.destroy()
    return
  }
  const body = JSON.stringify(toProblemJson(problem))
  socket.end(
    `HTTP/1.1 ${problem.status} ${STATUS_CODES[problem.status]}\r\nContent-Type: application/problem+json\r\n` +
      `Content-Length: ${Buffer.byteLength(body)}\r\nConnection: close\r\n\r\n${body}`,
  )
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

async function drain(servers: readonly Server[], timeoutMs: number): Promise<void> {
  const closed = servers.map(server => new Promise<void>(resolve => server.close(() => resolve())))
  // A kept-alive connection turns idle when its last answer ends, and would hold the server open until it times out.
  const sweep = setInterval(() => {
    for (const server of servers) server.closeIdleConnections()
  }, 50)
  const deadline = setTimeout(() => {
    for (const server of servers) server.closeAllConnections()
  }, timeoutMs)
  await Promise.all(closed)
  clearTimeout(deadline)
  clearInterval(sweep)
}
