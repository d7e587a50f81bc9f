import type { ProviderRequest, ReplySink, Send } from './exchange.ts'

/** An answer of which only status and a bounded part matter. */
export interface WholeReply {
  readonly status: number
  /** The first `maxBytes` at most. */
  readonly body: Buffer
}

/** Sends and waits for the end of the reply, or for `maxBytes` of it: nothing that may go on for ever. Rejects as `Send` says. */
export function sendWhole(send: Send, request: ProviderRequest, maxBytes: number): Promise<WholeReply> {
  return new Promise((resolve, reject) => {
    let status = 0
    let size = 0
    const chunks: Buffer[] = []
    const end = () => resolve({ status, body: Buffer.concat(chunks).subarray(0, maxBytes) })
    const sink: ReplySink = {
      onHead(answered) {
        status = answered
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
  })
}
