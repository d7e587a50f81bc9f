// The least that a Node process can do for a request: answers every one with the same small body.
// A refusal by the gateway is compared against it. Usage: node bench/bare-node.ts PORT
import { createServer } from 'node:http'

const body = Buffer.from('{"error":{"message":"no","type":"invalid_request_error","param":null,"code":null}}')
const headers = { 'content-type': 'application/json', 'content-length': body.length }

createServer((_request, response) => {
  response.writeHead(200, headers)
  response.end(body)
}).listen(Number(process.argv[2]), '127.0.0.1')
