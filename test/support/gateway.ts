import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { type IncomingMessage, type RequestOptions, request } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { type Ostiary, startOstiary } from '#app.ts'
import { internalActor } from '#core/actor.ts'
import type { CallEvent, RefusalsEvent } from '#core/events.ts'

export interface GatewayOptions {
  /** Text of ostiary.yaml. */
  readonly yaml?: string
  /** On top of what a test wants by default; the process's own environment is not used. */
  readonly env?: Readonly<Record<string, string>>
  readonly workers?: number
  /** Folder of configuration and data; default = a new one, removed at the end. */
  readonly folder?: string
}

/** A real gateway on loopback. */
export interface Gateway extends AsyncDisposable {
  readonly url: string
  readonly adminUrl: string
  /** The key that the first start prints: test environment. Empty at a later start on the same folder. */
  readonly testKey: string
  readonly folder: string
  readonly configFile: string
  readonly dataDirectory: string
  readonly ostiary: Ostiary
  /** A new live key. */
  liveKey(): Promise<string>
  /** The calls' events, newest first, as soon as there are `atLeast` of them. */
  events(atLeast?: number): Promise<CallEvent[]>
  /** The event of the call with this request id, as soon as it is written. */
  event(requestId: string): Promise<CallEvent>
  /** Refusals of nobody known, as soon as `atLeast` calls are counted in them. */
  refusals(atLeast?: number): Promise<RefusalsEvent[]>
}

/** Starts a gateway as `ostiary start` does: own data directory, ports of the system's choice, one worker, no log. */
export async function startGateway(options: GatewayOptions = {}): Promise<Gateway> {
  const folder = options.folder ?? (await mkdtemp(join(tmpdir(), 'ostiary-')))
  const configFile = join(folder, 'ostiary.yaml')
  const dataDirectory = join(folder, 'data')
  if (options.yaml !== undefined || options.folder === undefined) await writeFile(configFile, options.yaml ?? '{}\n')
  const remove = async () => {
    if (options.folder === undefined) await rm(folder, { recursive: true, force: true })
  }
  const env = {
    OSTIARY_CONFIG: configFile,
    OSTIARY_DATA_DIR: dataDirectory,
    // One family: a port that is free on both at once is luck while other tests run.
    OSTIARY_LISTENERS_PUBLIC_HOST: '127.0.0.1',
    OSTIARY_LISTENERS_PUBLIC_PORT: '0',
    OSTIARY_LISTENERS_ADMIN_HOST: '127.0.0.1',
    OSTIARY_LISTENERS_ADMIN_PORT: '0',
    OSTIARY_LOG_LEVEL: 'silent',
    OSTIARY_DRAIN_TIMEOUT_MS: '2000',
    OSTIARY_WORKERS: String(options.workers ?? 1),
    // A machine that is busy with other tests is not what they are about.
    OSTIARY_OVERLOAD_MAX_DELAY_MS: '10000',
    ...options.env,
  }
  const ostiary = await startOstiary({ env }).catch(async error => {
    await remove()
    throw error
  })
  const { store, keys } = ostiary
  const calls = async () => (await store.events.list({ limit: 10_000, type: 'call' })) as CallEvent[]
  const refused = async () => (await store.events.list({ limit: 10_000, type: 'refusals' })) as RefusalsEvent[]
  return {
    url: ostiary.publicUrl,
    adminUrl: ostiary.adminUrl,
    testKey: ostiary.firstKey?.secret.reveal() ?? '',
    folder,
    configFile,
    dataDirectory,
    ostiary,
    liveKey: async () =>
      (await keys.mint({ name: 'live', environment: 'live' }, internalActor('test'))).secret.reveal(),
    events: (atLeast = 1) =>
      until(`${atLeast} call events`, async () => {
        const found = await calls()
        return found.length >= atLeast ? found : undefined
      }),
    event: requestId =>
      until(`the event of ${requestId}`, async () => (await calls()).find(({ id }) => id === requestId)),
    refusals: (atLeast = 1) =>
      until(`${atLeast} counted refusals`, async () => {
        const found = await refused()
        return found.reduce((sum, { count }) => sum + count, 0) >= atLeast ? found : undefined
      }),
    async [Symbol.asyncDispose]() {
      await ostiary[Symbol.asyncDispose]()
      await remove()
    },
  }
}

/** Asks until there is an answer other than undefined and false; fails after `timeoutMs`. */
export async function until<T>(
  what: string,
  ask: () => T | undefined | false | Promise<T | undefined | false>,
  timeoutMs = 10_000,
): Promise<T> {
  const deadline = performance.now() + timeoutMs
  for (;;) {
    const answer = await ask()
    if (answer !== undefined && answer !== false) return answer
    if (performance.now() > deadline) throw new Error(`waited ${timeoutMs} ms in vain for ${what}`)
    await pause(10)
  }
}

/** An answer as it arrived. */
export interface Reply {
  readonly status: number
  readonly headers: IncomingMessage['headers']
  /** Names and values in turn, as sent. */
  readonly rawHeaders: readonly string[]
  readonly body: Buffer
  readonly text: string
  /** False where the connection broke before the answer's end. */
  readonly whole: boolean
}

/** One POST, or what `options` says, over a connection of its own; headers and body go out exactly as given. */
export function ask(url: string, options: RequestOptions & { body?: string | Buffer } = {}): Promise<Reply> {
  const { body = '', ...rest } = options
  return new Promise((resolve, reject) => {
    const req = request(url, { method: 'POST', agent: false, ...rest }, res => {
      const chunks: Buffer[] = []
      res.on('data', chunk => chunks.push(chunk))
      res.on('error', () => {})
      res.on('close', () => {
        const { statusCode = 0, headers, rawHeaders, complete } = res
        const body = Buffer.concat(chunks)
        resolve({ status: statusCode, headers, rawHeaders, body, text: body.toString(), whole: complete })
      })
    })
    req.on('error', reject)
    req.end(body)
  })
}
