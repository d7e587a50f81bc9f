// Requests with keys that are not valid, from an address of its own, each connection as fast as it is answered; one that
// is closed is opened anew. Ends with what it was answered. Usage: node bench/flooder.ts PORT KEYS_FILE CONNECTIONS SECONDS
import { readFileSync } from 'node:fs'
import { connect } from 'node:net'
import { chatBody } from './bodies.ts'

const [port = '', keysFile = '', connections = '', seconds = ''] = process.argv.slice(2)
const SOURCE = '127.0.0.2'
const body = chatBody(0.3)
const requests = readFileSync(keysFile, 'utf8')
  .split('\n')
  .map(key =>
    Buffer.from(
      `POST /v1/chat/completions HTTP/1.1\r\nHost: bench\r\nAuthorization: Bearer ${key}\r\n` +
        `Content-Type: application/json\r\nContent-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
    ),
  )
let turn = 0
let answers = 0
let opened = 0
const until = performance.now() + Number(seconds) * 1000

function open(): void {
  opened++
  const socket = connect({ host: '127.0.0.1', port: Number(port), localAddress: SOURCE }, ask)
  function ask(): void {
    turn = (turn + 1) % requests.length
    socket.write(requests[turn] as Buffer)
  }
  // Answers are short: each comes in one piece.
  socket.on('data', () => {
    answers++
    ask()
  })
  socket.on('error', () => {})
  socket.on('close', () => {
    if (performance.now() < until) setImmediate(open)
  })
}

for (let i = 0; i < Number(connections); i++) open()
setTimeout(() => {
  console.log(JSON.stringify({ answers, opened }))
  process.exit(0)
}, Number(seconds) * 1000)
