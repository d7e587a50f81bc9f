import { once } from 'node:events'
import { connect } from 'node:tls'
import { Problem } from '#core/problems.ts'

const TIMEOUT_MS = 10_000

/**
 * A connection to a receiver of syslog over TLS (RFC 5425), messages framed by their length in octets (§4.3.1, RFC 6587
 * §3.4.1). The receiver must prove its name. Rejects with `cli.destination_failed`.
 */
export async function openSyslogLine(destination: URL, ca: Buffer | undefined) {
  const { hostname, port, host } = destination
  const name = hostname.replace(/^\[|\]$/g, '')
  const socket = connect({ host: name, port: Number(port), minVersion: 'TLSv1.2', ...(ca && { ca }) })
  let ended = false
  const failed = new Promise<never>((_, reject) => {
    const fail = (cause: unknown) =>
      reject(new Problem('cli.destination_failed', { detail: `${host}: ${(cause as Error).message}`, cause }))
    socket.once('error', fail)
    socket.once('close', () => ended || fail(new Error('the connection was closed')))
    socket.setTimeout(TIMEOUT_MS, () => socket.destroy(new Error('no progress in 10 s')))
  })
  failed.catch(() => {})
  // It has nothing to say; that it ends must be seen.
  socket.resume()
  await Promise.race([once(socket, 'secureConnect'), failed])
  return {
    frame: (message: string) => `${Buffer.byteLength(message)} ${message}`,
    /** Resolves when there is room for more. */
    async write(text: string): Promise<void> {
      if (text === '') return
      if (!socket.write(text)) await Promise.race([once(socket, 'drain'), failed])
    },
    /** Resolves when the receiver has ended its side too: closed earlier, what is under way would be lost. */
    async end(): Promise<void> {
      ended = true
      socket.end()
      await Promise.race([once(socket, 'close'), failed])
    },
    async [Symbol.asyncDispose](): Promise<void> {
      socket.destroy()
    },
  }
}
