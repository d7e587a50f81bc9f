import type { ProviderRequest, ReplyHeaders, ReplySink, Send } from './exchange.ts'
import { Problem } from './problems.ts'

/** An answer of which only head and a bounded part matter. */
export interface WholeReply {
  readonly status: number
  readonly headers: ReplyHeaders
  /** The first `maxBytes` at most. */
  readonly body: Buffer
}

/**
 * Sends and waits for the end of the reply, or for `maxBytes` of it: nothing that may go on for ever. Rejects as `Send`
 * says, and with `upstream.timeout` where the whole takes longer than `totalMs`, however steadily it drips.
 */
export function sendWhole(
  send: Send,
  request: ProviderRequest,
  maxBytes: number,
  totalMs: number | null = null,
): Promise<WholeReply> {
  const { promise, resolve, reject } = Promise.withResolvers<WholeReply>()
  let status = 0
  let headers: ReplyHeaders = {}
  let size = 0
  const chunks: Buffer[] = []
  const end = () => resolve({ status, headers, body: Buffer.concat(chunks).subarray(0, maxBytes) })
  const sink: ReplySink = {
    onHead(answered, fields) {
      status = answered
      headers = fields
    },
    onData(chunk) {
      chunks.push(chunk)
      size += chunk.length
      if (size <= maxBytes) return true
      exchange.abort()
      end()
      return false
    },
    onEnd: end,
    onError: reject,
  }
  const exchange = send(request, sink)
  if (totalMs === null) return promise
  const late = setTimeout(() => {
    exchange.abort()
    reject(new Problem('upstream.timeout', { reason: 'deadline' }))
  }, totalMs)
  return promise.finally(() => clearTimeout(late))
}
