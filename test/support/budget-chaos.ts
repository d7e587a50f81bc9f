import assert from 'node:assert/strict'
import { request, type ServerResponse } from 'node:http'
import { setTimeout as pause } from 'node:timers/promises'
import { ask, until } from './gateway.ts'
import { askAdmin, type Deployment, startProcess } from './process.ts'
import { configFor, type Provider, sendJson, startProvider, writeEvent } from './provider.ts'

/** What a call is to go through; drawn by lot, so twice is twice as often. */
const KINDS = ['json', 'json', 'stream', 'stream', 'slow', 'error', 'break', 'hangup', 'hangup-json'] as const
type Kind = (typeof KINDS)[number]

/** Those of calls that nobody but a gateway that dies keeps from their end. */
export const COMPLETED: readonly Kind[] = ['json', 'stream', 'slow', 'error']
export const BROKEN: readonly Kind[] = ['break', 'hangup', 'hangup-json']

/** What the provider billed, in tokens: the truth that the books are held against. */
type Bill = Record<Kind, number>

/** A provider that bills by its own count, whatever becomes of the caller or the gateway. */
export interface BillingProvider extends AsyncDisposable {
  readonly url: string
  billed(kinds?: readonly Kind[]): number
}

const INPUT = 20
const WORD = 'word '

/**
 * Answers chats as their `user` member says: `json`, `stream`, `slow` or `hangup` (a stream that takes its time, and is
 * billed for what it had sent), `hangup-json` (a plain answer that takes its time, and is billed whole whoever is there at
 * its end), `error` (500) or `break` (a stream that breaks off in the middle). `max_tokens` words, one token each.
 */
export async function startBillingProvider(): Promise<BillingProvider> {
  const bill: Bill = { json: 0, stream: 0, slow: 0, error: 0, break: 0, hangup: 0, 'hangup-json': 0 }
  const answer: Provider['answer'] = async ({ body }, res) => {
    const { user: kind, max_tokens: most } = JSON.parse(body.toString()) as { user: Kind; max_tokens: number }
    const usage = { prompt_tokens: INPUT, completion_tokens: most, total_tokens: INPUT + most }
    switch (kind) {
      case 'error':
        return sendJson(res, 500, { error: { message: 'overloaded' } })
      case 'json':
      case 'hangup-json': {
        bill[kind] += usage.total_tokens
        const message = { role: 'assistant', content: WORD.repeat(most) }
        const text = JSON.stringify({ choices: [{ index: 0, message }], usage })
        const pauseMs = kind === 'json' ? 0 : 15
        if (pauseMs > 0) await pause(pauseMs)
        res.writeHead(200, { 'content-type': 'application/json' }).write(text.slice(0, text.length >> 1))
        if (pauseMs > 0) await pause(pauseMs)
        return void res.end(text.slice(text.length >> 1))
      }
      default: {
        const pauseMs = kind === 'slow' || kind === 'hangup' ? 5 : 0
        const words = await writeWords(res, kind === 'break' ? most >> 1 : most, pauseMs)
        bill[kind] += INPUT + words
        if (kind === 'break') return void res.destroy()
        writeEvent(res, { choices: [], usage })
        writeEvent(res, '[DONE]')
        res.end()
      }
    }
  }
  const provider = await startProvider(answer)
  return {
    url: provider.url,
    billed: (kinds = [...new Set(KINDS)]) => kinds.reduce((sum, kind) => sum + bill[kind], 0),
    [Symbol.asyncDispose]: () => provider[Symbol.asyncDispose](),
  }
}

/** An event a word; resolves to how many there were when all were written or the connection was gone. */
async function writeWords(res: ServerResponse, most: number, pauseMs: number): Promise<number> {
  res.writeHead(200, { 'content-type': 'text/event-stream' })
  let words = 0
  while (words < most && !res.destroyed) {
    writeEvent(res, { choices: [{ index: 0, delta: { content: WORD } }] })
    words++
    if (pauseMs > 0) await pause(pauseMs)
  }
  return words
}

export const BUDGET = 40_000
/** Beyond it too little is left for calls of all kinds. */
const SPENT = BUDGET * 0.95

/** A gateway whose calls all draw on one budget of tokens; `members` = further ones of the configuration. */
export function chaosConfig(provider: { readonly url: string }, members = ''): ReturnType<typeof configFor> {
  const { yaml, env } = configFor(provider)
  return {
    yaml: `${yaml}budgets: { all: { unit: tokens, amount: ${BUDGET}, period: total, per: [] } }\n${members}`,
    env,
  }
}

interface Caller {
  readonly url: string
  readonly key: string
  readonly stopped: () => boolean
  readonly random: () => number
  readonly kinds?: readonly Kind[]
  /** Told the status of each call; 0 = there was none. */
  readonly onStatus?: (status: number) => void
}

/** One caller: call after call of any of the kinds until told to stop. */
export async function callOn({ url, key, stopped, random, kinds = KINDS, onStatus }: Caller): Promise<void> {
  const headers = { authorization: `Bearer ${key}`, 'content-type': 'application/json' }
  while (!stopped()) {
    const kind = kinds[Math.floor(random() * kinds.length)] as Kind
    const hangsUp = kind === 'hangup' || kind === 'hangup-json'
    const body = JSON.stringify({
      model: 'gpt',
      stream: !['json', 'hangup-json', 'error'].includes(kind),
      user: kind,
      max_tokens: 1 + Math.floor(random() * 60),
      messages: [{ role: 'user', content: 'Say words until you are told to stop, please.' }],
    })
    const status = await new Promise<number>(resolve => {
      const req = request(`${url}/v1/chat/completions`, { method: 'POST', headers, agent: false }, res => {
        res.resume()
        res.on('close', () => resolve(res.statusCode ?? 0)).on('error', () => {})
      })
      req.on('error', () => resolve(0)).end(body)
      if (hangsUp) setTimeout(() => req.destroy(), random() * 50)
    })
    onStatus?.(status)
    if (status === 402) await pause(5)
  }
}

/** What is drawn from the budget, settled and reserved, as the caller is told. */
export async function drawnFrom(url: string, key: string): Promise<number> {
  const headers = { authorization: `Bearer ${key}` }
  const { text } = await ask(`${url}/ostiary/key`, { method: 'GET', headers })
  return BUDGET - ((JSON.parse(text) as { budgets: { remaining: number }[] }).budgets[0]?.remaining ?? Number.NaN)
}

/** At rest nothing is reserved: what is drawn no longer changes. */
export function drawnAtRest(url: string, key: string): Promise<number> {
  return until('the books to rest', async () => {
    const now = await drawnFrom(url, key)
    await pause(100)
    return (await drawnFrom(url, key)) === now ? now : undefined
  })
}

interface Life {
  readonly key: string
  /** So little was left of the budget at the start that nothing was done. */
  readonly spent: boolean
  readonly drawn: number
}

/**
 * One life of the gateway under mixed calls, ended by `kill -9` or by a stop. Checks at its start, and before a stop, that
 * the budget was never overdrawn and that what was drawn is never below the provider's bill.
 */
export async function liveAndDie(
  deployment: Deployment,
  provider: BillingProvider,
  options: { readonly key: string | null; readonly ms: number; readonly kill: boolean; readonly random: () => number },
): Promise<Life> {
  await using gateway = await startProcess(deployment, { env: { OSTIARY_WORKERS: '2', OSTIARY_LOG_LEVEL: 'fatal' } })
  const { url, adminUrl } = gateway
  const { dataDirectory } = deployment
  let { key } = options
  if (key === null) {
    const { json } = await askAdmin({ adminUrl, dataDirectory }, '/api/keys', { name: 'chaos', environment: 'live' })
    key = (json as { secret: string }).secret
  }
  const before = await drawnFrom(url, key)
  check(before, provider.billed())
  if (before > SPENT) return { key, spent: true, drawn: before }
  let stopping = false
  const caller = { url, key, stopped: () => stopping, random: options.random }
  const callers = Array.from({ length: 8 }, () => callOn(caller))
  await pause(options.ms)
  if (options.kill) gateway.kill('SIGKILL')
  stopping = true
  await Promise.all(callers)
  if (options.kill) {
    await gateway.exited
    return { key, spent: false, drawn: before }
  }
  const drawn = await drawnAtRest(url, key)
  check(drawn, provider.billed())
  gateway.kill('SIGTERM')
  await gateway.exited
  return { key, spent: false, drawn }
}

function check(drawn: number, billed: number): void {
  assert.ok(drawn <= BUDGET, `overdrawn: ${drawn}`)
  assert.ok(billed <= BUDGET, `the provider billed more than the budget: ${billed}`)
  assert.ok(drawn >= billed, `the books say ${drawn}, the provider billed ${billed}`)
}

/** A generator of numbers in [0, 1) that a seed repeats (mulberry32). */
export function seeded(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}
