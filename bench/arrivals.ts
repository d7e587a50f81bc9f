// Authenticated calls that arrive at a fixed rate whatever the answers do, and how long each took from when it was due.
// Usage: node bench/arrivals.ts URL KEY CALLS_PER_SECOND SECONDS
import { Agent, request } from 'node:http'
import { chatBody } from './bodies.ts'

export interface Arrivals {
  readonly calls: number
  /** Answered with anything but 200, or not at all. */
  readonly failures: number
  readonly p50Ms: number
  readonly p99Ms: number
}

const [url = '', key = '', rate = '', seconds = ''] = process.argv.slice(2)
const agent = new Agent({ keepAlive: true, maxSockets: 256 })
const body = chatBody(2)
const headers = {
  authorization: `Bearer ${key}`,
  'content-type': 'application/json',
  'content-length': Buffer.byteLength(body),
}
const latencies: number[] = []
let failures = 0

function call(due: number): Promise<void> {
  return new Promise(resolve => {
    const end = (good: boolean) => {
      if (good) latencies.push(performance.now() - due)
      else failures++
      resolve()
    }
    const req = request(url, { method: 'POST', agent, headers }, res => {
      res.on('end', () => end(res.statusCode === 200)).resume()
    })
    req.on('error', () => end(false))
    req.end(body)
  })
}

const gap = 1000 / Number(rate)
const begun = performance.now()
const calls: Promise<void>[] = []
const total = Number(rate) * Number(seconds)
await new Promise<void>(resolve => {
  const timer = setInterval(() => {
    while (calls.length < total && begun + calls.length * gap <= performance.now()) {
      calls.push(call(begun + calls.length * gap))
    }
    if (calls.length < total) return
    clearInterval(timer)
    resolve()
  }, 1)
})
await Promise.all(calls)
latencies.sort((a, b) => a - b)
const at = (share: number) => latencies[Math.floor((latencies.length - 1) * share)] ?? Number.NaN
const result: Arrivals = { calls: calls.length, failures, p50Ms: at(0.5), p99Ms: at(0.99) }
console.log(JSON.stringify(result))
process.exit(0)
