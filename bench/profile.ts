// Where the gateway's CPU time goes, to explain a missed ratio: runs one worker under load with V8's profiler and prints
// the functions with the most self time of each thread. Usage: node bench/profile.ts [SIZE_KB|madeUp|unknown|bounded] [SECONDS]
import { mkdtempSync, readdirSync, readFileSync } from 'node:fs'
import { join, relative } from 'node:path'
import { type BodySizeKb, bodySizesKb, chatBody } from './bodies.ts'
import { BOUNDS, boundedCalls } from './bounded-calls.ts'
import { makeFloodKeys, UNHINDERED } from './flood-keys.ts'
import { type Flood, floods } from './floods.ts'
import { runLoad } from './load.ts'
import { startOstiary } from './ostiary.ts'
import { cleanUp, cleanUpOnSignals, freePort, measuredCore, scratch } from './processes.ts'
import { startUpstream } from './upstream.ts'

/** The part used of V8's .cpuprofile. */
interface CpuProfile {
  readonly nodes: readonly {
    readonly id: number
    readonly callFrame: { readonly functionName: string; readonly url: string; readonly lineNumber: number }
  }[]
  readonly samples: readonly number[]
  /** Before each sample, in µs. */
  readonly timeDeltas: readonly number[]
}

const shown = 40

async function profile(what: BodySizeKb | Flood | 'bounded', seconds: number): Promise<void> {
  const directory = mkdtempSync(join(scratch, 'profile-'))
  const ostiary = await startOstiary({
    cores: measuredCore,
    workers: 1,
    port: await freePort(),
    upstreamPort: await startUpstream(),
    maxFailuresPerSecond: UNHINDERED,
    ...(what === 'bounded' && { config: BOUNDS }),
    nodeOptions: ['--cpu-prof', `--cpu-prof-dir=${directory}`],
  })
  const { server, url, headers } = ostiary
  const { callsPerSecond } =
    typeof what === 'number' || what === 'bounded'
      ? await runLoad({ url, headers, body: chatBody(what === 'bounded' ? 2 : what) }, seconds, 200)
      : await runLoad({ url, headers: {}, body: chatBody(0.3), keys: makeFloodKeys(what, ostiary) }, seconds, 401)
  await server.stop()
  console.log(
    `${what === 'bounded' ? boundedCalls.load : typeof what === 'number' ? `${what} KB` : floods[what]}, ${callsPerSecond.toFixed(0)} calls/s while profiled`,
  )
  for (const file of readdirSync(directory)) {
    printTop(file, JSON.parse(readFileSync(join(directory, file), 'utf8')))
  }
}

function printTop(file: string, { nodes, samples, timeDeltas }: CpuProfile): void {
  const names = new Map(nodes.map(({ id, callFrame }) => [id, nameOf(callFrame)]))
  const selfMicros = new Map<string, number>()
  for (const [i, id] of samples.entries()) {
    const name = names.get(id) ?? ''
    selfMicros.set(name, (selfMicros.get(name) ?? 0) + (timeDeltas[i] ?? 0))
  }
  selfMicros.delete('(idle)')
  const busy = [...selfMicros.values()].reduce((sum, each) => sum + each, 0)
  console.log(`\n${file}: ${(busy / 1e6).toFixed(1)} s busy`)
  printShares(selfMicros, busy, shown)
  const byFolder = new Map<string, number>()
  for (const [name, micros] of selfMicros) {
    const folder = /package\/src\/(\w+)\//.exec(name)?.[1] ?? (name.includes('undici') ? 'undici' : 'Node and others')
    byFolder.set(folder, (byFolder.get(folder) ?? 0) + micros)
  }
  console.log('by folder:')
  printShares(byFolder, busy, byFolder.size)
}

function printShares(micros: ReadonlyMap<string, number>, busy: number, count: number): void {
  for (const [name, each] of [...micros].sort((a, b) => b[1] - a[1]).slice(0, count)) {
    console.log(`${((100 * each) / busy).toFixed(1).padStart(6)} %  ${name}`)
  }
}

function nameOf({ functionName, url, lineNumber }: CpuProfile['nodes'][number]['callFrame']): string {
  const place = url.startsWith('file:') ? relative(join(import.meta.dirname, '..'), new URL(url).pathname) : url
  return place === '' ? functionName || '(native)' : `${functionName || '(anonymous)'} ${place}:${lineNumber + 1}`
}

const wanted = process.argv[2] ?? '2'
const what =
  wanted === 'bounded'
    ? wanted
    : wanted in floods
      ? (wanted as Flood)
      : bodySizesKb.find(size => String(size) === wanted)
if (what === undefined) {
  console.error(
    `Usage: node bench/profile.ts [${[...bodySizesKb, ...Object.keys(floods), 'bounded'].join('|')}] [SECONDS]`,
  )
  process.exit(2)
}
cleanUpOnSignals()
try {
  await profile(what, Number(process.argv[3] ?? 8))
} finally {
  await cleanUp()
}
