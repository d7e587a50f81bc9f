import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, readFileSync, renameSync, rmdirSync, rmSync, writeFileSync } from 'node:fs'
import { Agent, request } from 'node:http'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { Readable } from 'node:stream'
import type { Ostiary } from '#app.ts'
import { runCommand } from '#cli/commands.ts'
import { ask, type Reply } from './gateway.ts'

const ROOT = resolve(import.meta.dirname, '../..')
const MAIN = join(ROOT, 'src', 'main.ts')
const START_TIMEOUT_MS = 30_000

export interface Exit {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
}

/** What a program that has ended left behind. */
export interface Finished extends Exit {
  readonly stdout: string
  readonly stderr: string
}

/** Configuration and data of one deployment, in a folder that outlives its processes. */
export interface Deployment extends Disposable {
  readonly folder: string
  readonly configFile: string
  readonly dataDirectory: string
  /** The variables that every program of this deployment is given. */
  readonly env: Readonly<Record<string, string>>
}

/** A new folder with the text of ostiary.yaml; no other variable than these and `env` reaches its programs. */
export function createDeployment(yaml = '{}\n', env: Readonly<Record<string, string>> = {}): Deployment {
  const { NODE_COMPILE_CACHE } = process.env
  const folder = mkdtempSync(join(tmpdir(), 'ostiary-'))
  const configFile = join(folder, 'ostiary.yaml')
  const dataDirectory = join(folder, 'data')
  writeFileSync(configFile, yaml)
  return {
    folder,
    configFile,
    dataDirectory,
    env: {
      PATH: process.env.PATH ?? '',
      HOME: folder,
      // `npm test` keeps compiled code for all that it starts; without it every first start compiles anew.
      ...(NODE_COMPILE_CACHE !== undefined && { NODE_COMPILE_CACHE }),
      OSTIARY_CONFIG: configFile,
      OSTIARY_DATA_DIR: dataDirectory,
      // One family: a port that is free on both at once is luck while other tests run.
      OSTIARY_LISTENERS_PUBLIC_HOST: '127.0.0.1',
      OSTIARY_LISTENERS_PUBLIC_PORT: '0',
      OSTIARY_LISTENERS_ADMIN_HOST: '127.0.0.1',
      OSTIARY_LISTENERS_ADMIN_PORT: '0',
      OSTIARY_WORKERS: '1',
      // A machine that is busy with other tests is not what they are about.
      OSTIARY_OVERLOAD_MAX_DELAY_MS: '10000',
      ...env,
    },
    [Symbol.dispose]() {
      rmSync(folder, { recursive: true, force: true, maxRetries: 5 })
    },
  }
}

/** The real program, running. Disposing kills it if it still runs. */
export interface GatewayProcess extends AsyncDisposable {
  readonly url: string
  readonly adminUrl: string
  /** The key that a first start prints; empty at a later one. */
  readonly testKey: string
  /** From the fork to the banner. */
  readonly startMs: number
  readonly pid: number
  readonly stdout: () => string
  readonly stderr: () => string
  kill(signal: NodeJS.Signals): void
  readonly exited: Promise<Exit>
}

interface StartOptions {
  /** Program and arguments of the pinned Node; default = `src/main.ts start`. */
  readonly run?: readonly string[]
  readonly env?: Readonly<Record<string, string>>
  /** In a process group of its own, which a terminal's Ctrl-C can be played on. */
  readonly detached?: boolean
}

/** Runs `ostiary start`; resolves when it says that it is ready, rejects with its output if it ends before. */
export async function startProcess(deployment: Deployment, options: StartOptions = {}): Promise<GatewayProcess> {
  const begun = performance.now()
  const child = spawn(process.execPath, options.run ?? [MAIN, 'start'], {
    cwd: deployment.folder,
    env: { ...deployment.env, ...options.env },
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: options.detached ?? false,
  })
  const { stdout, stderr, exited } = follow(child)
  const killIfLeft = () => child.kill('SIGKILL')
  process.once('exit', killIfLeft)
  void exited.then(() => process.off('exit', killIfLeft))
  const ready = new Promise<RegExpExecArray>((resolve, reject) => {
    const late = setTimeout(() => fail('is not ready'), START_TIMEOUT_MS)
    const fail = (why: string) => {
      child.kill('SIGKILL')
      reject(new Error(`ostiary start ${why}:\n${stdout()}${stderr()}`))
    }
    const look = () => {
      // The last line of either banner: what comes before it is there too.
      const banner = /Gateway {3}(\S+)\n {2}Admin {5}(\S+).*(?:Mint a key|curl -N)[^\n]*\n/s.exec(stdout())
      if (banner === null) return
      clearTimeout(late)
      resolve(banner)
    }
    child.stdout.on('data', look)
    void exited.then(({ code, signal }) => {
      clearTimeout(late)
      fail(`ended with ${code ?? signal}`)
    })
  })
  const [, url = '', adminUrl = ''] = await ready
  return {
    url,
    adminUrl,
    testKey: /Test key {2}(\S+)/.exec(stdout())?.[1] ?? '',
    startMs: performance.now() - begun,
    pid: child.pid as number,
    stdout,
    stderr,
    kill: signal => void child.kill(signal),
    exited,
    async [Symbol.asyncDispose]() {
      if (child.exitCode === null && child.signalCode === null) child.kill('SIGKILL')
      await exited
    },
  }
}

interface ProgramOptions {
  readonly program?: string
  readonly env?: Readonly<Record<string, string>>
  /** Text on standard input; default = there is none. */
  readonly input?: string
}

/** Runs a program of the pinned Node to its end; `src/main.ts` unless `program` says otherwise. */
export async function runProgram(
  deployment: Deployment,
  args: readonly string[],
  { program = MAIN, env = {}, input }: ProgramOptions = {},
): Promise<Finished> {
  const child = spawn(process.execPath, [program, ...args], {
    cwd: deployment.folder,
    env: { ...deployment.env, ...env },
    stdio: [input === undefined ? 'ignore' : 'pipe', 'pipe', 'pipe'],
    timeout: START_TIMEOUT_MS,
    killSignal: 'SIGKILL',
  })
  child.stdin?.end(input)
  const { stdout, stderr, exited } = follow(child)
  const exit = await exited
  return { ...exit, stdout: stdout(), stderr: stderr() }
}

type Env = Readonly<Record<string, string | undefined>>

interface CliResult {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}

/** Runs an `ostiary` command in this process, which is ten times as fast as a program of its own. */
export function runCli(env: Env, ...args: string[]): Promise<CliResult> {
  return runWith(env, {}, args)
}

/** As `runCli`, with `input` on standard input. */
export function runCliWith(env: Env, input: string, ...args: string[]): Promise<CliResult> {
  return runWith(env, { stdin: Readable.from([Buffer.from(input)]) }, args)
}

/** What commands need in their environment to find a gateway. */
export function cliEnvOf(gateway: {
  readonly configFile: string
  readonly dataDirectory: string
  readonly adminUrl: string
}): Readonly<Record<string, string>> {
  return {
    OSTIARY_CONFIG: gateway.configFile,
    OSTIARY_DATA_DIR: gateway.dataDirectory,
    OSTIARY_LISTENERS_ADMIN_URL: gateway.adminUrl,
  }
}

async function runWith(env: Env, input: { readonly stdin?: Readable }, args: string[]): Promise<CliResult> {
  const written = { stdout: '', stderr: '' }
  const code = await runCommand(args, {
    env,
    ...input,
    stdout: { write: text => (written.stdout += text) },
    stderr: { write: text => (written.stderr += text) },
  })
  return { code, ...written }
}

function follow(child: ChildProcess) {
  const written = { stdout: '', stderr: '' }
  child.stdout?.setEncoding('utf8').on('data', text => (written.stdout += text))
  child.stderr?.setEncoding('utf8').on('data', text => (written.stderr += text))
  const exited = once(child, 'close').then(([code, signal]): Exit => ({ code, signal }))
  return { stdout: () => written.stdout, stderr: () => written.stderr, exited }
}

/** The admin listener's credential. */
export function bootstrapToken(dataDirectory: string): string {
  return readFileSync(join(dataDirectory, 'bootstrap-token'), 'utf8').trim()
}

/** Asks the admin listener as its operator; a body is sent as JSON. */
export async function askAdmin(
  { adminUrl, dataDirectory }: { readonly adminUrl: string; readonly dataDirectory: string },
  path: string,
  body?: object,
): Promise<{ readonly status: number; readonly headers: Reply['headers']; readonly json: Record<string, unknown> }> {
  const reply = await ask(adminUrl + path, {
    method: body === undefined ? 'GET' : 'POST',
    headers: {
      authorization: `Bearer ${bootstrapToken(dataDirectory)}`,
      ...(body !== undefined && { 'content-type': 'application/json' }),
    },
    body: body === undefined ? '' : JSON.stringify(body),
  })
  return { status: reply.status, headers: reply.headers, json: JSON.parse(reply.text) }
}

const HELLO = JSON.stringify({ model: 'sandbox', messages: [{ role: 'user', content: 'Hello' }] })

/** One call to the sandbox, or what `body` says, over the agent's connection; rejects where the connection breaks. */
export function callOver(
  agent: Agent,
  url: string,
  key: string,
  { body = HELLO, headers = {} }: { readonly body?: string; readonly headers?: Record<string, string> } = {},
): Promise<{ readonly status: number; readonly id: string; readonly text: string }> {
  return new Promise((resolve, reject) => {
    const req = request(`${url}/v1/chat/completions`, {
      method: 'POST',
      agent,
      headers: {
        authorization: `Bearer ${key}`,
        'content-type': 'application/json',
        'content-length': Buffer.byteLength(body),
        ...headers,
      },
    })
    req.on('error', reject)
    req.on('response', res => {
      let text = ''
      res.setEncoding('utf8').on('data', chunk => (text += chunk))
      res.on('error', reject)
      res.on('close', () => {
        if (!res.complete) return reject(new Error('the answer broke off'))
        resolve({ status: res.statusCode ?? 0, id: String(res.headers['x-request-id']), text })
      })
    })
    req.end(body)
  })
}

/** One call over a connection of its own. */
export async function callOnce(url: string, key: string, options: Parameters<typeof callOver>[3] = {}) {
  const agent = new Agent()
  try {
    return await callOver(agent, url, key, options)
  } finally {
    agent.destroy()
  }
}

/** One connection's calls, one after the other. */
export interface Line {
  readonly agent: Agent
  /** Of the calls that were answered. */
  readonly ids: string[]
  readonly statuses: Map<number, number>
  /** OpenAI's error codes of the answers that were none. */
  readonly problems: Set<string>
  readonly errors: Error[]
}

/** Disposing it ends it, so that a failed test does not leave it running. */
export interface Load extends AsyncDisposable {
  readonly lines: readonly Line[]
  /** Answered calls by status, over all lines. */
  statuses(): Record<number, number>
  /** Error codes met, over all lines. */
  problems(): string[]
  /** Lets the running calls end. */
  stop(): Promise<void>
}

/** Calls without a pause over as many connections; a line whose connection breaks goes on over a new one. */
export function startLoad(
  url: string,
  key: string,
  connections: number,
  options: Parameters<typeof callOver>[3] = {},
): Load {
  let stopping = false
  const lines = Array.from(
    { length: connections },
    (): Line => ({
      agent: new Agent({ keepAlive: true, maxSockets: 1 }),
      ids: [],
      statuses: new Map(),
      problems: new Set(),
      errors: [],
    }),
  )
  const ends = lines.map(async line => {
    while (!stopping) {
      try {
        const { status, id, text } = await callOver(line.agent, url, key, options)
        line.ids.push(id)
        if (status >= 400) line.problems.add(JSON.parse(text).error.code)
        line.statuses.set(status, (line.statuses.get(status) ?? 0) + 1)
      } catch (error) {
        line.errors.push(error as Error)
        // Nobody listens: without a turn of the loop this would spin.
        await new Promise(resolve => setTimeout(resolve, 5))
      }
    }
    line.agent.destroy()
  })
  const stop = async () => {
    stopping = true
    await Promise.all(ends)
  }
  return {
    lines,
    statuses() {
      const sum: Record<number, number> = {}
      for (const { statuses } of lines) for (const [status, n] of statuses) sum[status] = (sum[status] ?? 0) + n
      return sum
    },
    problems: () => [...new Set(lines.flatMap(({ problems }) => [...problems]))],
    stop,
    [Symbol.asyncDispose]: stop,
  }
}

/**
 * Ends the database thread by what it cannot read, and keeps a new one from opening the file until the answer is called;
 * then the file is as it was.
 */
export async function takeDatabaseAway({ database, dataDirectory }: Ostiary): Promise<() => void> {
  const { database: file } = dataDirectory
  renameSync(file, `${file}.aside`)
  mkdirSync(file)
  const thread = database.thread()
  thread?.connect().postMessage(null)
  await thread?.exited
  return () => {
    rmdirSync(file)
    renameSync(`${file}.aside`, file)
  }
}
