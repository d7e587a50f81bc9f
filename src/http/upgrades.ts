import type { IncomingHttpHeaders, IncomingMessage } from 'node:http'
import type { Socket } from 'node:net'

/** A request to speak another protocol on its connection from now on. */
export interface Upgrade {
  readonly socket: Socket
  /** What came after the request’s head, and is not HTTP any more. */
  readonly head: Buffer
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
