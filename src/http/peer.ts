import type { Socket } from 'node:net'

interface Told {
  readonly address: string
  readonly isProxyItself: boolean
}

const told = new WeakMap<Socket, Told>()

/** Where the other end of a connection is: as the proxy in front said by its PROXY protocol, else as the system says. */
export function peerOf(socket: Socket): string {
  return told.get(socket)?.address ?? socket.remoteAddress ?? ''
}

/** Whether the proxy in front said that it speaks for itself. */
export function isProxyItself(socket: Socket): boolean {
  return told.get(socket)?.isProxyItself ?? false
}

/** What the proxy in front said; null = it speaks for itself. */
export function notePeer(socket: Socket, client: string | null): void {
  told.set(socket, { address: client ?? socket.remoteAddress ?? '', isProxyItself: client === null })
}
