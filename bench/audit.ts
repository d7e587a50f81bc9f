import { mkdtempSync } from 'node:fs'
import { join } from 'node:path'
import { DecisionChain } from '#audit/decision-chain.ts'
import { verifyAudit } from '#audit/verify.ts'
import { openSqliteAudit } from '#store/sqlite/audit-reader.ts'
import { migrateSqlite, openSqliteStore, startDatabaseThread } from '#store/sqlite/open.ts'
import { chatBody } from './bodies.ts'
import { runLoad } from './load.ts'
import type { Duration } from './measure.ts'
import { startOstiary } from './ostiary.ts'
import { freePort, measuredCore, scratch } from './processes.ts'

export interface AuditFigures {
  /** Read and checked, in one thread. */
  readonly verifiedPerSecond: number
  readonly latencies: readonly DurableLatency[]
}

/** Latency of a call with so many callers at once, ms. */
interface DurableLatency {
  readonly callers: number
  readonly batched: { readonly p50Ms: number; readonly p99Ms: number; readonly callsPerSecond: number }
  readonly durable: { readonly p50Ms: number; readonly p99Ms: number; readonly callsPerSecond: number }
}

const EVENTS = 1_000_000
const BATCH = 100
const CALLERS = [1, 64, 256] as const

/** What the audit costs: to verify it, and to have a call wait for the disk. */
export async function measureAudit(upstreamPort: number, duration: Duration): Promise<AuditFigures> {
  return { verifiedPerSecond: await measureVerify(), latencies: await measureDurable(upstreamPort, duration) }
}

async function measureVerify(): Promise<number> {
  const file = join(mkdtempSync(join(scratch, 'audit-')), 'ostiary.db')
  await fill(file)
  await using reader = openSqliteAudit(file, true)
  const began = performance.now()
  const { events, result } = await verifyAudit({ reader, keys: new Map(), anchor: null, onProgress() {} })
  if (result !== 'consistent' || events !== EVENTS) throw new Error(`${events} events are ${result}`)
  return events / ((performance.now() - began) / 1000)
}

/** A chain of calls such as a worker writes it. */
async function fill(file: string): Promise<void> {
  await using thread = await startDatabaseThread(file)
  await migrateSqlite(thread.connect())
  await using store = openSqliteStore(thread.connect())
  const chain = new DecisionChain(store.events, 'decisions/1')
  const at = Date.now()
  for (let n = 0; n < EVENTS; n += BATCH) {
    const lines = Array.from({ length: BATCH }, (_, i) => JSON.stringify(callEvent(n + i, at)))
    await chain.append({ firstAt: at, lastAt: at, count: BATCH, data: lines.join('\n') })
  }
}

/** As the gateway emits it. */
export function callEvent(n: number, at: number): object {
  const id = String(n).padStart(26, '0')
  return {
    type: 'call',
    id: `req_${id}`,
    callerRequestId: null,
    at,
    worker: 1,
    configGeneration: 1,
    source: '127.0.0.1',
    method: 'POST',
    path: '/v1/chat/completions',
    route: 'openai.chat',
    principal: { kind: 'api_key', id: 'key_01jx2m3n4p5q6r7s8t9vwxyz01', project: 'proj_default', environment: 'live' },
    credential: 'key_01jx2m3n4p5q6r7s8t9vwxyz01',
    model: 'bench',
    target: { provider: 'upstream', model: 'bench', test: false },
    stream: false,
    outcome: 'completed',
    problem: null,
    reason: null,
    status: 200,
    upstreamStatus: 200,
    bytesIn: 2048,
    bytesOut: 512,
    durationMs: 1.25,
    firstByteMs: 1.1,
    usage: null,
    costNanoUsd: null,
  }
}

async function measureDurable(upstreamPort: number, duration: Duration): Promise<DurableLatency[]> {
  const start = async (auditMode: 'batched' | 'durable') =>
    startOstiary({ cores: measuredCore, workers: 1, port: await freePort(), upstreamPort, auditMode })
  const gateways = { batched: await start('batched'), durable: await start('durable') }
  const run = async (mode: keyof typeof gateways, callers: number) => {
    const { url, headers } = gateways[mode]
    const load = { url, headers, body: chatBody(2), connections: callers }
    await runLoad(load, duration.warmUpSeconds, 200)
    return runLoad(load, duration.seconds, 200)
  }
  const latencies: DurableLatency[] = []
  for (const callers of CALLERS) {
    latencies.push({ callers, batched: await run('batched', callers), durable: await run('durable', callers) })
  }
  for (const { server } of Object.values(gateways)) await server.stop()
  return latencies
}
