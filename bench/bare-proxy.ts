// The least that a Node reverse proxy can do: no checks, one body read, one undici dispatch, bytes passed on.
// It marks how far the gateway's own work could be cut. Usage: node bench/bare-proxy.ts PORT UPSTREAM_PORT
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { Pool } from 'undici'

const upstream = new Pool(`http://127.0.0.1:${process.argv[3]}`, { connections: 64 })

function forward(request: IncomingMessage, response: ServerResponse, body: Buffer): void {
  upstream.dispatch(
    {
      method: 'POST',
      path: request.url ?? '/',
      headers: { 'content-type': 'application/json', authorization: 'Bearer upstream' },
      body,
    },
    {
      onRequestStart: () => {},
      onResponseStart: (_controller, status, headers) => {
        response.writeHead(status, headers)
      },
      onResponseData: (_controller, chunk) => {
        response.write(chunk)
      },
      onResponseEnd: () => {
        response.end()
      },
      onResponseError: () => {
        if (!response.headersSent) response.writeHead(502)
        response.end()
      },
    },
  )
}

createServer((request, response) => {
  const chunks: Buffer[] = []
  request.on('data', (chunk: Buffer) => chunks.push(chunk))
  request.on('end', () => forward(request, response, Buffer.concat(chunks)))
}).listen(Number(process.argv[2]), '127.0.0.1')
