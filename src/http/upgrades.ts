import type { IncomingHttpHeaders, IncomingMessage } from 'node:http'
import type { Socket } from 'node:net'

/** What is kept of bytes that come before the answer; a client has to wait for it (RFC 6455 §4.1). */
const MAX_EARLY_BYTES = 64 * 1024

/**
 * A request to speak another protocol on its connection from now on. Until that is taken up the connection is read, since
 * nobody would hear of its end otherwise.
 */
export class Upgrade {
  readonly socket: Socket
  readonly #early: Buffer[] = []
  #size = 0

  /** `head` is what came after the request’s head, and is not HTTP any more. */
  constructor(socket: Socket, head: Buffer) {
    this.socket = socket
    this.#keep(head)
    socket.on('data', this.#keep).on('end', this.#hangUp)
  }

  /** Who takes it up reads on, at once; returns what came so far. */
  take(): Buffer {
    this.socket.off('data', this.#keep).off('end', this.#hangUp)
    return Buffer.concat(this.#early)
  }

  readonly #keep = (chunk: Buffer): void => {
    this.#size += chunk.length
    if (this.#size > MAX_EARLY_BYTES) this.socket.destroy()
    else this.#early.push(chunk)
  }

  readonly #hangUp = (): void => {
    this.socket.destroy()
  }
}

const upgrades = new WeakMap<IncomingMessage, Upgrade>()

/**
 * Whether a request asks for a WebSocket (RFC 6455 §4.1) and for nothing else. Any other upgrade is not taken up, as RFC 9110
 * §7.8 allows: the request is answered as if it had not asked.
 */
export function asksForWebSocket({ method, headers, httpVersion }: IncomingMessage): boolean {
  return (
    method === 'GET' &&
    httpVersion === '1.1' &&
    headers.upgrade?.trim().toLowerCase() === 'websocket' &&
    headers['content-length'] === undefined &&
    headers['transfer-encoding'] === undefined
  )
}

const SIGNS = ['sec-websocket-key', 'sec-websocket-version', 'sec-websocket-protocol', 'sec-websocket-extensions']

/** Whether a request speaks of a WebSocket, which only a GET may (RFC 6455 §4.1), whether or not it is a handshake. */
export function showsUpgrade(headers: IncomingHttpHeaders): boolean {
  return namesWebSocket(headers.upgrade) || SIGNS.some(name => headers[name] !== undefined)
}

function namesWebSocket(upgrade: string | undefined): boolean {
  return upgrade !== undefined && /(?:^|[\s,])websocket(?:$|[\s,/])/i.test(upgrade)
}

export function keepUpgrade(req: IncomingMessage, upgrade: Upgrade): void {
  upgrades.set(req, upgrade)
}

/** undefined = it is a request like any other. */
export function upgradeOf(req: IncomingMessage): Upgrade | undefined {
  return upgrades.get(req)
}
