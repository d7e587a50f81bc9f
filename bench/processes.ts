import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs'
import { createServer } from 'node:net'
import { availableParallelism, tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'
import { processTree } from './cpu-and-memory.ts'

/** What is measured has the first core to itself; load generator and upstream share the second. */
export const measuredCore = '0'
export const loadCore = '1'
export const allCores = `0-${availableParallelism() - 1}`

/** Configs, logs and data of this run; removed at the end. */
export const scratch = mkdtempSync(join(tmpdir(), 'ostiary-bench-'))
process.on('exit', () => rmSync(scratch, { recursive: true, force: true }))

/** A started process with its children. */
export interface Server {
  readonly name: string
  readonly pid: number
  /** What it has printed so far, both streams. */
  output(): string
  exited(): boolean
  stop(): Promise<void>
}

const running = new Set<Server>()

interface StartOptions {
  readonly name: string
  /** As `taskset -c` takes them. */
  readonly cores: string
  readonly command: readonly string[]
  readonly env?: Record<string, string>
}

export function startServer({ name, cores, command, env = {} }: StartOptions): Server {
  const logFile = join(mkdtempSync(join(scratch, 'log-')), 'output')
  const log = openSync(logFile, 'a')
  const child = spawn('taskset', ['-c', cores, ...command], {
    stdio: ['ignore', log, log],
    env: { ...withoutOstiaryVariables(), ...env },
    detached: true,
  })
  const server: Server = {
    name,
    pid: child.pid as number,
    output: () => readFileSync(logFile, 'utf8'),
    exited: () => child.exitCode !== null || child.signalCode !== null,
    stop: () => stop(server, child),
  }
  running.add(server)
  return server
}

/** The gateway refuses variables it does not know, so none of the caller's shell may reach it. */
function withoutOstiaryVariables(): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('OSTIARY_')))
}

async function stop(server: Server, child: ChildProcess): Promise<void> {
  running.delete(server)
  if (server.exited()) return
  const pids = processTree(server.pid)
  const gone = once(child, 'exit')
  child.kill('SIGTERM')
  const ended = await Promise.race([gone.then(() => true), sleep(5000, false, { ref: false })])
  if (ended) return
  for (const pid of pids) kill(pid)
  await gone
}

function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL')
  } catch {
    // Ended by itself in the meantime.
  }
}

const ending = new AbortController()

/** Runs a command to its end and returns what it printed. Never resolves once the bench is being ended. */
export async function runCommand(cores: string, command: readonly string[]): Promise<string> {
  try {
    const { stdout } = await promisify(execFile)('taskset', ['-c', cores, ...command], { signal: ending.signal })
    return stdout
  } catch (error) {
    if (ending.signal.aborted) return new Promise(() => {})
    throw error
  }
}

/** Ends every process that is still running. */
export async function cleanUp(): Promise<void> {
  ending.abort()
  await Promise.all([...running].map(server => server.stop()))
}

/** Ends and cleans up when the user interrupts; `npm run` may deliver the signal twice. */
export function cleanUpOnSignals(): void {
  let stopping = false
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.on(signal, () => {
      if (stopping) return
      stopping = true
      cleanUp().finally(() => process.exit(130))
    })
  }
}

/** Waits until `attempt` returns something, or fails with what the server printed. */
export async function waitFor<T>(server: Server, attempt: () => Promise<T | undefined> | T | undefined): Promise<T> {
  const deadline = performance.now() + 20_000
  while (performance.now() < deadline && !server.exited()) {
    const result = await attempt()
    if (result !== undefined) return result
    await sleep(5)
  }
  throw new Error(`${server.name} did not come up. It printed:\n${server.output().slice(-2000)}`)
}

export async function freePort(): Promise<number> {
  const probe = createServer().listen(0, '127.0.0.1')
  await once(probe, 'listening')
  const { port } = probe.address() as { port: number }
  probe.close()
  await once(probe, 'close')
  return port
}
