import type { Socket } from 'node:net'
import { type ProxyFault, readProxyHeader } from './proxy-header.ts'

/** Why a connection was closed before it was served; null = its other end went away first. */
export type ProxyRefusal = ProxyFault | 'proxy_timeout' | null

interface Waiting {
  readonly timeoutMs: number
  /** The client that the proxy speaks for, null = itself. What arrived after the header is there to be read. */
  readonly onHeader: (client: string | null) => void
  /** The connection is closed. */
  readonly onRefused: (why: ProxyRefusal) => void
}

/** Reads the header of the PROXY protocol off a connection that nobody has read from yet. */
export function awaitProxyHeader(socket: Socket, { timeoutMs, onHeader, onRefused }: Waiting): void {
  let arrived: Buffer = Buffer.alloc(0)
  const refuse = (why: ProxyRefusal) => {
    stop()
    socket.on('error', () => {}).destroy()
    onRefused(why)
  }
  const deadline = setTimeout(() => refuse('proxy_timeout'), timeoutMs)
  const stop = () => {
    clearTimeout(deadline)
    socket.off('data', take).off('end', end).off('error', end).off('close', end)
  }
  const take = (chunk: Buffer) => {
    arrived = arrived.length === 0 ? chunk : Buffer.concat([arrived, chunk])
    const header = readProxyHeader(arrived)
    if (header === null) return
    if (typeof header === 'string') return refuse(header)
    stop()
    // Whoever reads next begins with what came along: it must not flow before they listen.
    socket.pause()
    if (arrived.length > header.length) socket.unshift(arrived.subarray(header.length))
    onHeader(header.client)
    socket.resume()
  }
  const end = () => refuse(null)
  socket.on('data', take).on('end', end).on('error', end).on('close', end)
}
