import type { IncomingMessage } from 'node:http'

/** Of an answered request's unread body, this much is read and dropped so that the caller sees the answer; then the connection ends. */
const MAX_DISCARDED_BYTES = 8 * 1024 * 1024

/** Reads and drops what is still to come of a request that was answered. */
export function discardBody(req: IncomingMessage): void {
  if (req.complete) return
  const length = Number(req.headers['content-length'] ?? Number.POSITIVE_INFINITY)
  if (length <= MAX_DISCARDED_BYTES) return // Node reads and drops the rest by itself
  let discarded = 0
  req.on('data', (chunk: Buffer) => {
    discarded += chunk.length
    if (discarded > MAX_DISCARDED_BYTES) req.socket.destroy()
  })
}
