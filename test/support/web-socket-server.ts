import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type IncomingMessage } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import type { Duplex } from 'node:stream'

/** RFC 6455 §1.3 */
const GUID = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11'

export interface WebSocketServer extends AsyncDisposable {
  readonly url: string
  /** The handshakes, in order. */
  readonly handshakes: IncomingMessage[]
  readonly sockets: Socket[]
  /** What to do with a handshake; default: take it and send each frame back unmasked. */
  answer: (req: IncomingMessage, socket: Socket, head: Buffer) => void
}

/** A server of WebSockets, written down by the standard. */
export async function startWebSocketServer(): Promise<WebSocketServer> {
  const server = createServer((_req, res) => res.writeHead(426).end())
  server.on('upgrade', (req: IncomingMessage, stream: Duplex, head: Buffer) => {
    const socket = stream as Socket
    found.handshakes.push(req)
    found.sockets.push(socket.on('error', () => {}).on('end', () => socket.end()))
    found.answer(req, socket, head)
    // Without a reader nobody would hear of the end.
    socket.resume()
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const found: WebSocketServer = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    handshakes: [],
    sockets: [],
    answer: echo,
    async [Symbol.asyncDispose]() {
      for (const socket of found.sockets) socket.destroy()
      server.closeAllConnections()
      await new Promise(resolve => server.close(resolve))
    },
  }
  return found
}

/** Takes the handshake (RFC 6455 §4.2.2). */
export function accept(req: IncomingMessage, socket: Socket, ...lines: string[]): void {
  const key = createHash('sha1')
    .update(req.headers['sec-websocket-key'] + GUID)
    .digest('base64')
  const head = ['Upgrade: websocket', 'Connection: Upgrade', `Sec-WebSocket-Accept: ${key}`, ...lines]
  socket.write(`HTTP/1.1 101 Switching Protocols\r\n${head.join('\r\n')}\r\n\r\n`)
}

function echo(req: IncomingMessage, socket: Socket, head: Buffer): void {
  accept(req, socket)
  let pending = head
  socket.on('data', (chunk: Buffer) => {
    pending = Buffer.concat([pending, chunk])
    for (let frame = readFrame(pending); frame !== null; frame = readFrame(pending)) {
      pending = pending.subarray(frame.length)
      socket.write(writeFrame(frame.opcode, frame.payload))
      if (frame.opcode === 8) socket.end()
    }
  })
}

interface Frame {
  readonly opcode: number
  readonly payload: Buffer
  /** Bytes of the whole frame. */
  readonly length: number
}

/** RFC 6455 §5.2 */
function readFrame(bytes: Buffer): Frame | null {
  if (bytes.length < 2) return null
  const short = (bytes[1] as number) & 127
  const extra = short === 126 ? 2 : short === 127 ? 8 : 0
  const start = 2 + extra + 4
  if (bytes.length < start) return null
  const size = extra === 0 ? short : extra === 2 ? bytes.readUInt16BE(2) : Number(bytes.readBigUInt64BE(2))
  if (bytes.length < start + size) return null
  const mask = bytes.subarray(start - 4, start)
  const payload = Buffer.from(bytes.subarray(start, start + size))
  for (let i = 0; i < size; i++) payload[i] = (payload[i] as number) ^ (mask[i % 4] as number)
  return { opcode: (bytes[0] as number) & 15, payload, length: start + size }
}

export function writeFrame(opcode: number, payload: Buffer): Buffer {
  const size = payload.length
  const head = Buffer.alloc(size < 126 ? 2 : size < 65_536 ? 4 : 10)
  head[0] = 128 | opcode
  head[1] = size < 126 ? size : size < 65_536 ? 126 : 127
  if (head.length === 4) head.writeUInt16BE(size, 2)
  if (head.length === 10) head.writeBigUInt64BE(BigInt(size), 2)
  return Buffer.concat([head, payload])
}
