import { execFileSync } from 'node:child_process'
import { mkdtempSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { call } from './call.ts'
import { type Server, scratch, startServer, waitFor } from './processes.ts'

const root = join(import.meta.dirname, '..')
let installed: string | undefined

export interface OstiaryOptions {
  readonly cores: string
  readonly workers: number | 'auto'
  readonly port: number
  readonly upstreamPort: number
  /** Options of Node itself. */
  readonly nodeOptions?: readonly string[]
  readonly auditMode?: 'batched' | 'durable'
  /** Refusals that a source gets at once (the default); beyond that the gateway holds a flood back instead of answering it. */
  readonly maxFailuresPerSecond?: number
  /** Further members of the configuration. */
  readonly config?: object
  /** Further variables of the gateway. */
  readonly env?: Readonly<Record<string, string>>
}

export interface Ostiary {
  readonly server: Server
  readonly dataDirectory: string
  /** Of the chat-completions endpoint. */
  readonly url: string
  /** The test key that the first start prints. */
  readonly key: string
  /** What a call must carry to be answered 200. */
  readonly headers: Readonly<Record<string, string>>
}

/**
 * Starts the gateway as it is installed, on an empty data directory, in front of the static upstream.
 * Resolves on its first 200 for an authenticated call.
 */
export async function startOstiary(options: OstiaryOptions): Promise<Ostiary> {
  installed ??= install()
  const directory = mkdtempSync(join(scratch, 'ostiary-'))
  const dataDirectory = join(directory, 'data')
  const config = join(directory, 'ostiary.yaml')
  writeFileSync(config, ostiaryConfig(options.upstreamPort, options.config ?? {}))
  const server = startServer({
    name: 'ostiary',
    cores: options.cores,
    command: [process.execPath, ...(options.nodeOptions ?? []), join(installed, 'src', 'main.js'), 'start'],
    env: {
      OSTIARY_CONFIG: config,
      OSTIARY_DATA_DIR: dataDirectory,
      OSTIARY_WORKERS: String(options.workers),
      OSTIARY_LISTENERS_PUBLIC_PORT: String(options.port),
      OSTIARY_LISTENERS_ADMIN_PORT: '0',
      OSTIARY_AUDIT_MODE: options.auditMode ?? 'batched',
      ...(options.maxFailuresPerSecond !== undefined && {
        OSTIARY_OVERLOAD_MAX_FAILURES_PER_SECOND: String(options.maxFailuresPerSecond),
      }),
      BENCH_UPSTREAM_KEY: 'upstream-credential-of-the-bench',
      ...options.env,
    },
  })
  const key = await waitFor(server, () => /\bsk_test_[0-9A-Za-z]+(?=\s)/.exec(server.output())?.[0])
  const url = `http://127.0.0.1:${options.port}/v1/chat/completions`
  const headers = { authorization: `Bearer ${key}` }
  await waitFor(server, async () => ((await call(url, headers))?.status === 200 ? true : undefined))
  return { server, dataDirectory, url, key, headers }
}

/** JSON is YAML too. The provider is tagged `test` so that a test key reaches it. */
function ostiaryConfig(upstreamPort: number, members: object): string {
  return JSON.stringify({
    providers: {
      upstream: {
        format: 'openai',
        baseUrl: `http://127.0.0.1:${upstreamPort}`,
        credential: 'env:BENCH_UPSTREAM_KEY',
        tags: ['test'],
      },
    },
    models: { bench: { provider: 'upstream' } },
    ...members,
  })
}

/** The published package: what people run, and what they run has no type stripper in each of its threads. */
function install(): string {
  const folder = mkdtempSync(join(scratch, 'pack-'))
  execFileSync(process.execPath, [join(root, 'scripts', 'pack.ts'), folder], { stdio: 'ignore' })
  symlinkSync(join(root, 'node_modules'), join(folder, 'package', 'node_modules'))
  return join(folder, 'package')
}
