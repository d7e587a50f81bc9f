import { mkdtempSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { loadCore, runCommand, scratch } from './processes.ts'

const CONNECTIONS = 32

export interface Load {
  readonly url: string
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
  /** Sent in turn as bearer tokens; without them every call is the same. */
  readonly keys?: readonly string[]
  /** Makes the proof of possession of one call; as many are made before a run as there could be calls. */
  readonly makeProof?: () => string
  /** Callers at once (32). */
  readonly connections?: number
}

export interface LoadResult {
  readonly calls: number
  readonly callsPerSecond: number
  readonly p50Ms: number
  readonly p99Ms: number
}

/**
 * Runs wrk for the given time and returns what it counted. Fails unless every answer had the expected status:
 * a figure over mixed outcomes would compare nothing.
 */
export async function runLoad(load: Load, seconds: number, expectedStatus: 200 | 401): Promise<LoadResult> {
  const command = [
    'wrk',
    '-t1',
    `-c${load.connections ?? CONNECTIONS}`,
    `-d${seconds}s`,
    '--timeout',
    '10s',
    '-s',
    writeScript(load, seconds),
  ]
  const stdout = await runCommand(loadCore, [...command, load.url])
  const line = stdout.split('\n').find(each => each.startsWith('{'))
  if (line === undefined) throw new Error(`wrk gave no result for ${load.url}:\n${stdout}`)
  const result = JSON.parse(line) as {
    calls: number
    microseconds: number
    p50: number
    p99: number
    socketErrors: number
    errorStatuses: number
    statuses: Record<string, number>
  }
  verify(load, result, expectedStatus)
  return {
    calls: result.calls,
    callsPerSecond: result.calls / (result.microseconds / 1e6),
    p50Ms: result.p50 / 1000,
    p99Ms: result.p99 / 1000,
  }
}

function verify(
  load: Load,
  result: { calls: number; socketErrors: number; errorStatuses: number; statuses: Record<string, number> },
  expectedStatus: 200 | 401,
): void {
  // Without rotating keys nothing counts by status, which would cost the generator more than the call: wrk's own count of
  // answers above 399 has to do, and the peer was seen to answer 200 before.
  const counted = load.keys === undefined ? result.calls - result.errorStatuses : (result.statuses[expectedStatus] ?? 0)
  if (result.calls === 0 || counted !== result.calls || result.socketErrors > 0) {
    throw new Error(`${load.url}: not every answer was ${expectedStatus}: ${JSON.stringify(result)}`)
  }
}

/** More than any gateway here answers on one core: without a proof of its own a call would be refused, and the run fail. */
const MAX_CALLS_PER_SECOND = 6000

function writeScript(load: Load, seconds: number): string {
  const directory = mkdtempSync(join(scratch, 'wrk-'))
  const body = join(directory, 'body.json')
  const keys = join(directory, 'keys')
  const script = join(directory, 'load.lua')
  writeFileSync(body, load.body)
  if (load.keys !== undefined) writeFileSync(keys, load.keys.join('\n'))
  const proofs = join(directory, 'proofs')
  const { makeProof } = load
  if (makeProof !== undefined) {
    writeFileSync(proofs, Array.from({ length: seconds * MAX_CALLS_PER_SECOND }, makeProof).join('\n'))
  }
  const headers = Object.entries({ ...load.headers, 'content-type': 'application/json' })
  writeFileSync(
    script,
    [
      'wrk.method = "POST"',
      `local file = io.open("${body}", "rb"); wrk.body = file:read("*a"); file:close()`,
      ...headers.map(([name, value]) => `wrk.headers["${name}"] = "${value}"`),
      load.keys === undefined ? '' : rotateKeys(keys),
      makeProof === undefined ? '' : spendProofs(proofs),
      report,
    ].join('\n'),
  )
  return script
}

/** The next key at every call, and a count of the answers by status. */
function rotateKeys(file: string): string {
  return `
local requests, turn = {}, 0
statuses = ""
local counts = {}
function init()
  for key in io.lines("${file}") do
    wrk.headers["authorization"] = "Bearer " .. key
    requests[#requests + 1] = wrk.format()
  end
end
function request()
  turn = turn % #requests + 1
  return requests[turn]
end
function response(status)
  counts[status] = (counts[status] or 0) + 1
  if counts[status] == 1 then statuses = statuses .. " " .. status end
  _G["status" .. status] = counts[status]
end`
}

/** The next proof at every call. */
function spendProofs(file: string): string {
  return `
local proofs = io.lines("${file}")
function request()
  wrk.headers["dpop"] = proofs()
  return wrk.format()
end`
}

const report = `
local threads = {}
function setup(thread) threads[#threads + 1] = thread end
function done(summary, latency)
  local statuses = {}
  for _, thread in ipairs(threads) do
    for status in (thread:get("statuses") or ""):gmatch("%d+") do
      statuses[#statuses + 1] = string.format('"%s":%d', status, thread:get("status" .. status))
    end
  end
  local errors = summary.errors
  print(string.format(
    '{"calls":%d,"microseconds":%d,"p50":%d,"p99":%d,"socketErrors":%d,"errorStatuses":%d,"statuses":{%s}}',
    summary.requests, summary.duration, latency:percentile(50), latency:percentile(99),
    errors.connect + errors.read + errors.write + errors.timeout, errors.status, table.concat(statuses, ",")))
end`
