// The gateway beside its peers, on one machine in one run: `npm run bench -- --help`.
import { spawnSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import { measureAudit } from './audit.ts'
import { measureBoundedCalls } from './bounded-calls.ts'
import { judge } from './budget.ts'
import { measureProvenCalls } from './dpop.ts'
import { measureFloodLatency } from './flood-latency.ts'
import { measureFloods } from './floods.ts'
import { measureLimits } from './limits.ts'
import { measureMinting } from './minting.ts'
import { type Options, readOptions } from './options.ts'
import { ostiary, type Peer, peers } from './peers.ts'
import { cleanUp, cleanUpOnSignals, loadCore } from './processes.ts'
import { measureProxiedCalls } from './proxied-calls.ts'
import { measureRecording } from './recording.ts'
import { type Results, renderResults } from './results.ts'
import { soak } from './soak.ts'
import { measureStartUp } from './start-up.ts'
import { measureStoredKeys } from './stored-keys.ts'
import { startUpstream } from './upstream.ts'

async function measureAll(options: Options): Promise<Results> {
  const wanted = peers.filter(({ name }) => options.peers === undefined || options.peers.includes(name))
  const versions = new Map<string, string>()
  const present: Peer[] = []
  for (const peer of wanted) {
    const version = peer.version()
    if (version === undefined) continue
    versions.set(peer.name, version)
    present.push(peer)
  }
  const upstreamPort = await startUpstream()
  const rows = await measureProxiedCalls(present, upstreamPort, options)
  const whole = options.peers === undefined && present.includes(ostiary)
  if (whole) {
    rows.push(...(await measureFloods(upstreamPort, options)))
    rows.push(...(await measureStoredKeys(upstreamPort, options)))
    rows.push(...(await measureBoundedCalls(upstreamPort, options)))
    rows.push(...(await measureProvenCalls(upstreamPort, options)))
  }
  return {
    duration: options,
    versions,
    skipped: wanted.filter(peer => !present.includes(peer)).map(({ name }) => name),
    rows,
    floodLatency: whole ? await measureFloodLatency(upstreamPort, options) : undefined,
    soak: whole && options.soakMinutes > 0 ? await soak(upstreamPort, options.soakMinutes) : undefined,
    limits: whole ? await measureLimits() : undefined,
    audit: whole ? await measureAudit(upstreamPort, options) : undefined,
    recordingMicros: whole ? await measureRecording(options) : undefined,
    startUpMs: whole ? await measureStartUp(upstreamPort) : undefined,
    mintedPerSecond: whole ? await measureMinting(upstreamPort, options) : undefined,
  }
}

function requireTools(): void {
  const missing = ['taskset', 'wrk', 'haproxy'].filter(tool => spawnSync(tool, ['--version']).error !== undefined)
  if (process.platform === 'linux' && availableParallelism() >= 2 && missing.length === 0) return
  console.error(
    `The bench needs Linux, two cores, taskset, wrk and haproxy. Missing: ${missing.join(', ') || 'cores'}.`,
  )
  process.exit(1)
}

const options = readOptions()
requireTools()
cleanUpOnSignals()
// The measured core is not for this process either.
spawnSync('taskset', ['-acp', loadCore, `${process.pid}`])
try {
  const results = await measureAll(options)
  const budget = judge(results)
  const text = renderResults(results, budget)
  console.log(text)
  if (options.recorded) writeFileSync(join(import.meta.dirname, 'results.md'), text)
  if (budget.some(line => line.met === false)) process.exitCode = 1
} finally {
  await cleanUp()
}
