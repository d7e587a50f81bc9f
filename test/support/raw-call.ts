import { connect } from 'node:net'

/** The answer to bytes as they were sent; status 0 = the connection was closed unanswered. */
export interface RawReply {
  readonly status: number
  /** The gateway’s id of the request; empty = there is none. */
  readonly id: string
  readonly text: string
}

export interface RawCall {
  readonly url: string
  /** Address to call from. */
  readonly from: string
  /** Sent before the request. */
  readonly before?: Buffer
  readonly method?: string
  readonly path?: string
  /** Lines of the head, as they are. */
  readonly lines?: readonly string[]
  readonly key?: string
  readonly body?: string
}

/** One request over a connection of its own, with the head as it is given. */
export function rawCall({
  url,
  from,
  before,
  method = 'GET',
  path = '/ostiary/key',
  ...call
}: RawCall): Promise<RawReply> {
  const { hostname, port } = new URL(url)
  const host = hostname.replace(/^\[|\]$/g, '')
  const { lines = [], key, body = '' } = call
  const auth = key === undefined ? [] : [`Authorization: Bearer ${key}`]
  const sized = body === '' ? [] : ['Content-Type: application/json', `Content-Length: ${Buffer.byteLength(body)}`]
  const head = [
    `${method} ${path} HTTP/1.1`,
    'Host: gateway',
    'Connection: close',
    ...auth,
    ...sized,
    ...lines,
    '',
    body,
  ]
  return new Promise(resolve => {
    const socket = connect({ host, port: Number(port), localAddress: from })
    let text = ''
    socket.on('error', () => {})
    socket.on('data', chunk => {
      text += chunk.toString('latin1')
    })
    socket.on('close', () => {
      const [, status = '0'] = /^HTTP\/1\.1 (\d{3})/.exec(text) ?? []
      const [, id = ''] = /\r\nx-request-id: (\S+)/i.exec(text) ?? []
      resolve({ status: Number(status), id, text: text.slice(text.indexOf('\r\n\r\n') + 4) })
    })
    socket.write(Buffer.concat([before ?? Buffer.alloc(0), Buffer.from(head.join('\r\n'), 'latin1')]))
  })
}
