import { once } from 'node:events'
import { createServer, request as httpRequest, type IncomingMessage, type RequestListener } from 'node:http'
import { type AddressInfo, connect, createServer as createTcpServer, type Socket } from 'node:net'
import type { TestContext } from 'node:test'
import { type Authenticator, createAuthenticate } from '#auth/authenticate.ts'
import type { AdmittedEvent, CallEvent } from '#core/events.ts'
import type { Ceilings, Environment, VerifiedIdentity } from '#core/principal.ts'
import { Problem } from '#core/problems.ts'
import { Secret } from '#core/secret.ts'
import { openListener } from '#http/listener.ts'
import { createUpstream, type Upstream, type UpstreamOptions } from '#http/upstream.ts'
import { createLimitsMemory } from '#limits/counter-memory.ts'
import { createLimiter } from '#limits/limiter.ts'
import type { Decide } from '#policy/decision.ts'
import { createCatalog, type ModelEntry } from '#providers/catalog.ts'
import type { FormatName } from '#providers/wire-format.ts'
import { createServiceTable } from '#services/service-table.ts'
import { createLifetime } from './lifetime.ts'
import { createLoopTurns } from './loop-turns.ts'
import { createOverload } from './overload.ts'
import { createPipeline } from './pipeline.ts'

export const NOW = 1_800_000_000_000

interface GatewayOptions {
  /** Where the providers are. */
  readonly upstreamPort?: number
  readonly upstream?: Partial<UpstreamOptions>
  readonly format?: FormatName
  readonly models?: readonly ModelEntry[]
  readonly authenticator?: Authenticator
  /** Default: from anywhere. */
  /** From where it may be called; default = from anywhere. */
  readonly allowsAddress?: (address: string) => boolean
  /** Default: everything is allowed. */
  readonly decide?: Decide
  readonly ensureRecordable?: () => void
  readonly admit?: (event: AdmittedEvent) => Promise<void>
  /** Resolves when a refused call may be answered. */
  readonly recorded?: (event: CallEvent) => Promise<void> | null
  /** Bound of a caller that reads nothing, ms. */
  readonly stallMs?: number
  readonly timeoutMs?: number
  readonly overload?: Partial<Parameters<typeof createOverload>[0]>
  /** Reads the provider on for so long when a caller hangs up, ms; default = it is stopped. */
  readonly drainMs?: number
  /** Until when the provider may be asked with the credential `before`, ms since the epoch. */
  readonly previousUntil?: number
}

/** The key `live` or `test` is a principal of that environment. */
const byName: Authenticator = credential => {
  if (credential !== 'live' && credential !== 'test') {
    throw new Problem('auth.invalid_credential', { reason: 'unknown' })
  }
  return identityOf(credential)
}

/** A key without ceilings but for those given. */
export function identityOf(environment: Environment, ceilings: Partial<Ceilings> = {}): VerifiedIdentity {
  return {
    kind: 'api_key',
    id: `key_${environment}`,
    project: 'proj_default',
    environment,
    expiresAt: null,
    ceilings: { scopes: null, operations: null, allowsModel: null, allowsAddress: null, ...ceilings },
    limits: null,
    budgets: null,
    roles: [],
    tags: {},
    binding: null,
    token: null,
  }
}

/**
 * The whole pipeline behind a real listener, before a real connection pool. The model `real` is a provider's `its-name`;
 * only the store is missing: the authenticator is the test's.
 */
export async function openGateway(t: TestContext, options: GatewayOptions = {}) {
  const { format = 'openai', upstreamPort = 1 } = options
  const events: CallEvent[] = []
  const failures: unknown[] = []
  const waiting: (() => void)[] = []
  const upstream: Upstream = createUpstream({
    origin: `http://127.0.0.1:${upstreamPort}`,
    connections: 4,
    connectTimeoutMs: 2000,
    timeoutMs: 5000,
    idleTimeoutMs: 5000,
    allowPrivateNetwork: false,
    ...options.upstream,
  })
  const provider = {
    name: 'p',
    format,
    test: false,
    credential: new Secret('op'),
    previousCredential:
      options.previousUntil === undefined ? null : { secret: new Secret('before'), until: options.previousUntil },
    basePath: '/base',
    send: upstream.send,
  }
  const models = options.models ?? [{ alias: 'real', model: 'its-name', provider: 'p' }]
  const generation = {
    number: 3,
    resourceMetadata: null,
    allowsAddress: options.allowsAddress ?? null,
    authenticate: createAuthenticate({
      chain: [options.authenticator ?? byName],
      checkSender: () => null,
      checkAuthentication: () => null,
    }),
    catalog: createCatalog([provider, { ...provider, name: 'tagged', test: true }], models),
    limits: {
      maxBodyBytes: 1_000_000,
      maxJsonDepth: 16,
      timeoutMs: options.stallMs ?? 60_000,
      headTimeoutMs: 10_000,
      onHangUp: options.drainMs === undefined ? ('stop' as const) : ('drain' as const),
      drainMs: options.drainMs ?? 0,
    },
    decide: options.decide ?? (() => ({ allowed: true, policies: ['ostiary.models'], error: null, shadow: null })),
    readsTags: false,
    services: createServiceTable([]),
    admissionOf: () => ({ allowsAddress: null, requirements: [] }),
    identityHeaders: () => [],
    findProxy: () => null,
    rulesOf: () => NO_RULES,
    factsOf: () => ({ price: null, maxOutputTokens: null }),
    ...createLifetime(() => upstream[Symbol.asyncDispose]()),
  }
  const limiter = createLimiter({
    memory: createLimitsMemory({ workers: 2, slots: 1024 }),
    worker: 2,
    allowances: { take: noStore, settle: noStore, forget: noStore },
    findSpent: noStore,
    epoch: 'test',
    clock: () => NOW,
    onThreshold: () => {},
    onOverrun: () => {},
  })
  const overload = createOverload({
    maxDelayMs: 10_000,
    maxFailuresPerSecond: 1000,
    onShed: () => {},
    ...options.overload,
  })
  const listener = await openListener({
    host: '127.0.0.1',
    port: 0,
    reusePort: false,
    maxConnections: 100,
    headTimeoutMs: options.timeoutMs ?? 5000,
    timeoutMs: options.timeoutMs ?? 5000,
    handle: createPipeline({
      overload,
      limiter,
      tunnels: { watch: () => {} },
      takeTurn: createLoopTurns(),
      current: () => generation,
      worker: 2,
      recorder: {
        ensureRecordable: options.ensureRecordable ?? (() => {}),
        admit: options.admit ?? null,
        begun: () => {},
        record(event) {
          events.push(event)
          for (const resolve of waiting.splice(0)) resolve()
          return options.recorded?.(event) ?? null
        },
      },
      clock: () => NOW,
      logFailure: (_call, error) => failures.push(error),
    }),
  })
  t.after(async () => {
    overload[Symbol.dispose]()
    await listener.drain(0)
    await generation[Symbol.asyncDispose]()
  })
  return {
    port: listener.port,
    events,
    /** What the gateway itself failed by. */
    failures,
    generation,
    overload,
    /** The event of the only call. */
    async event(): Promise<CallEvent> {
      if (events.length === 0) await new Promise<void>(resolve => waiting.push(resolve))
      return events[0] as CallEvent
    },
  }
}

const NO_STAGES = { admit: [], reserve: [] }
const NO_RULES = { ...NO_STAGES, ofServices: NO_STAGES, ofDecisions: NO_STAGES }

function noStore(): never {
  throw new Error('without a budget nobody asks the store')
}

/** A provider of HTTP. */
export async function openProvider(t: TestContext, listener: RequestListener): Promise<number> {
  const server = createServer(listener).listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => {
    server.closeAllConnections()
    server.close()
  })
  return (server.address() as AddressInfo).port
}

/** A provider below HTTP: each connection's first request is answered by what `talk` writes. */
export async function openRawProvider(t: TestContext, talk: (socket: Socket) => void): Promise<number> {
  const sockets = new Set<Socket>()
  const server = createTcpServer(socket => {
    sockets.add(socket.on('error', () => {}))
    socket.once('data', () => talk(socket))
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  return (server.address() as AddressInfo).port
}

export interface Asked {
  readonly path?: string
  readonly method?: string
  readonly headers?: Record<string, string>
  readonly body?: object | string
}

const CHAT = { path: '/v1/chat/completions', body: { model: 'real', messages: [] } }

/** Sends a chat, or what is asked; resolves at the answer's head. */
export async function ask(port: number, asked: Asked = {}): Promise<IncomingMessage> {
  const { path, method = 'POST', body } = { ...CHAT, ...asked }
  const headers = { 'content-type': 'application/json', authorization: 'Bearer live', ...asked.headers }
  const req = httpRequest({ port, host: '127.0.0.1', path, method, headers, agent: false })
  req.end(method === 'GET' ? undefined : typeof body === 'string' ? body : JSON.stringify(body))
  const [res] = (await once(req, 'response')) as [IncomingMessage]
  return res.on('error', () => {})
}

/** The rest of an answer, and whether it ended as it should. */
export async function readAll(res: IncomingMessage): Promise<{ readonly text: string; readonly complete: boolean }> {
  let text = ''
  res.setEncoding('utf8').on('data', chunk => {
    text += chunk
  })
  await new Promise(resolve => res.on('close', resolve))
  return { text, complete: res.complete }
}

/** A caller below HTTP that has sent these bytes. */
export function dial(port: number, bytes: string): Socket {
  const socket = connect(port, '127.0.0.1').on('error', () => {})
  socket.write(bytes)
  return socket
}

export function chatBytes(body: object = CHAT.body, ...lines: string[]): string {
  const text = JSON.stringify(body)
  const head = ['Host: x', 'Authorization: Bearer live', 'Content-Type: application/json', ...lines]
  return `POST /v1/chat/completions HTTP/1.1\r\n${head.join('\r\n')}\r\nContent-Length: ${text.length}\r\n\r\n${text}`
}
