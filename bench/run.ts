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
import { measureDecisions, measurePolicyCalls } from './policies.ts'
import { cleanUp, cleanUpOnSignals, loadCore } from './processes.ts'
import { measureProxiedCalls } from './proxied-calls.ts'
import { measureRecording } from './recording.ts'
import { type Results, renderResults } from './results.ts'
import { soak } from './soak.ts'
import { measureStartUp } from './start-up.ts'
import { measureStoredKeys } from './stored-keys.ts'
import { measureTokenFlood, measureTokens } from './tokens.ts'
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
  const whole = options.peers === undefined && present.includes(ostiary)
  /** Measures a part, if it is wanted. */
  const part = async <T>(name: string, measure: () => Promise<T>): Promise<T | undefined> =>
    (whole || name === 'calls') && (options.only === undefined || options.only.includes(name)) ? measure() : undefined
  const rows = [
    await part('calls', () => measureProxiedCalls(present, upstreamPort, options)),
    await part('floods', () => measureFloods(upstreamPort, options)),
    await part('stored-keys', () => measureStoredKeys(upstreamPort, options)),
    await part('bounded', () => measureBoundedCalls(upstreamPort, options)),
    await part('tokens', () => measureTokens(upstreamPort, options)),
    await part('proofs', () => measureProvenCalls(upstreamPort, options)),
    await part('policies', () => measurePolicyCalls(upstreamPort, options)),
  ]
  const { soakMinutes } = options
  return {
    duration: options,
    versions,
    skipped: wanted.filter(peer => !present.includes(peer)).map(({ name }) => name),
    rows: rows.flatMap(each => each ?? []),
    floodLatency: await part('flood-latency', () => measureFloodLatency(upstreamPort, options)),
    tokenFlood: await part('token-flood', () => measureTokenFlood(upstreamPort, options)),
    soak: soakMinutes > 0 ? await part('soak', () => soak(upstreamPort, soakMinutes)) : undefined,
    limits: await part('limits', measureLimits),
    decisions: await part('policies', async () => measureDecisions()),
    audit: await part('audit', () => measureAudit(upstreamPort, options)),
    recordingMicros: await part('recording', () => measureRecording(options)),
    startUpMs: await part('start-up', () => measureStartUp(upstreamPort)),
    mintedPerSecond: await part('minting', () => measureMinting(upstreamPort, options)),
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
