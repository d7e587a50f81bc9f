import type { ProviderRequest, ReplyHeaders, ReplySink, Send } from './exchange.ts'
import { Problem } from './problems.ts'

/** An answer of which only the head and a bounded part matter. */
export interface WholeReply {
  readonly status: number
  readonly headers: ReplyHeaders
  /** The first `maxBytes` at most. */
  readonly body: Buffer
}

/**
 * Sends and waits for the end of the reply, or for `maxBytes` of it: nothing that may go on for ever. Rejects as `Send`
 * says, and with `upstream.timeout` where the whole of it takes longer than `deadlineMs`, even if it keeps coming.
 */
export function sendWhole(
  send: Send,
  request: ProviderRequest,
  maxBytes: number,
  deadlineMs?: number,
): Promise<WholeReply> {
  return new Promise((resolve, reject) => {
    let status = 0
    let headers: ReplyHeaders = {}
    let size = 0
    const chunks: Buffer[] = []
    const end = () => {
      clearTimeout(deadline)
      resolve({ status, headers, body: Buffer.concat(chunks).subarray(0, maxBytes) })
    }
    const fail = (error: Error) => {
      clearTimeout(deadline)
      reject(error)
    }
    const sink: ReplySink = {
      onHead(answered, answeredHeaders) {
        status = answered
        headers = answeredHeaders
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
      onError: fail,
    }
    const exchange = send(request, sink)
    const deadline =
      deadlineMs === undefined
        ? undefined
        : setTimeout(() => {
            exchange.abort()
            fail(new Problem('upstream.timeout', { reason: 'deadline' }))
          }, deadlineMs)
  })
}
