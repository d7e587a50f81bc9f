import assert from 'node:assert/strict'
import { request } from 'node:http'
import { setTimeout as pause } from 'node:timers/promises'
import { ask, until } from './gateway.ts'
import { askAdmin, type Deployment, type GatewayProcess, startProcess } from './process.ts'
import { configFor, type Provider, startProvider, writeEvent } from './provider.ts'

/** What the provider billed, in tokens: the truth that the books are held against. */
interface Bill {
  /** Of calls whose answer it sent whole. */
  completed: number
  /** Of the others: what it had taken in and sent out until the end. */
  broken: number
}

/** A provider that bills by its own count, whatever becomes of the caller or the gateway. */
export interface BillingProvider extends AsyncDisposable {
  readonly url: string
  readonly bill: Bill
}

const INPUT = 20
const WORD = 'word '

/**
 * Answers chats as their `user` member says: `json`, `stream`, `slow` (a stream that takes its time, to be hung up or
 * killed), `error` (500) or `break` (a stream that breaks off in the middle). `max_tokens` words, one token each.
 */
export async function startBillingProvider(): Promise<BillingProvider> {
  const bill: Bill = { completed: 0, broken: 0 }
  const answer: Provider['answer'] = async ({ body }, res) => {
    const asked = JSON.parse(body.toString()) as { user: string; max_tokens: number }
    if (asked.user === 'error') {
      res.writeHead(500, { 'content-type': 'application/json' })
      return void res.end('{"error":{"message":"overloaded"}}')
    }
    const usage = (words: number) => ({ prompt_tokens: INPUT, completion_tokens: words, total_tokens: INPUT + words })
    if (asked.user === 'json') {
      const message = { role: 'assistant', content: WORD.repeat(asked.max_tokens) }
      res.writeHead(200, { 'content-type': 'application/json' })
      res.end(JSON.stringify({ choices: [{ index: 0, message }], usage: usage(asked.max_tokens) }))
      bill.completed += INPUT + asked.max_tokens
      return
    }
    res.writeHead(200, { 'content-type': 'text/event-stream' })
    let words = 0
    let gone = false
    res.on('close', () => {
      gone = true
    })
    while (words < asked.max_tokens && !gone) {
      if (asked.user === 'break' && words === asked.max_tokens >> 1) {
        bill.broken += INPUT + words
        return void res.destroy()
      }
      writeEvent(res, { choices: [{ index: 0, delta: { content: WORD } }] })
      words++
      if (asked.user === 'slow') await pause(5)
    }
    if (gone) {
      bill.broken += INPUT + words
      return
    }
    writeEvent(res, { choices: [], usage: usage(words) })
    writeEvent(res, '[DONE]')
    res.end()
    bill.completed += INPUT + words
  }
  const provider = await startProvider(answer)
  return { url: provider.url, bill, [Symbol.asyncDispose]: () => provider[Symbol.asyncDispose]() }
}

export const BUDGET = 40_000

/** A gateway whose calls all draw on one budget of tokens; `members` = further ones of the configuration. */
export function chaosConfig(provider: { readonly url: string }, members = ''): ReturnType<typeof configFor> {
  const { yaml, env } = configFor(provider)
  return {
    yaml: `${yaml}budgets: { all: { unit: tokens, amount: ${BUDGET}, period: total, per: [] } }\n${members}`,
    env,
  }
}

const KINDS = ['json', 'json', 'stream', 'stream', 'slow', 'error', 'break', 'hangup'] as const

/** One caller: call after call of any kind until told to stop or refused for want of budget. */
async function callOn(gateway: GatewayProcess, key: string, stopped: () => boolean, random: () => number) {
  const headers = { authorization: `Bearer ${key}`, 'content-type': 'application/json' }
  while (!stopped()) {
    const kind = KINDS[Math.floor(random() * KINDS.length)] as (typeof KINDS)[number]
    const body = JSON.stringify({
      model: 'gpt',
      stream: kind !== 'json' && kind !== 'error',
      user: kind === 'hangup' ? 'slow' : kind,
      max_tokens: 1 + Math.floor(random() * 60),
      messages: [{ role: 'user', content: 'Say words until you are told to stop, please.' }],
    })
    const status = await new Promise<number>(resolve => {
      const req = request(`${gateway.url}/v1/chat/completions`, { method: 'POST', headers, agent: false }, res => {
        res.resume()
        if (kind === 'hangup') setTimeout(() => req.destroy(), random() * 40)
        res.on('close', () => resolve(res.statusCode ?? 0)).on('error', () => {})
      })
      req.on('error', () => resolve(0)).end(body)
    })
    if (status === 402) await pause(5)
  }
}

/** What is left of the budget, as the caller is told. */
async function remaining(gateway: GatewayProcess, key: string): Promise<number> {
  const headers = { authorization: `Bearer ${key}` }
  const { text } = await ask(`${gateway.url}/ostiary/key`, { method: 'GET', headers })
  return (JSON.parse(text) as { budgets: { remaining: number }[] }).budgets[0]?.remaining ?? Number.NaN
}

interface Books {
  /** Drawn from the budget: settled and reserved. */
  readonly drawn: number
  /** Billed by the provider. */
  readonly billed: number
}

/**
 * One life of the gateway under mixed calls, ended by `kill -9` or by a stop. Checks after it, on the next start, that
 * the budget was never overdrawn and that what was drawn is never below the provider's bill.
 */
export async function liveAndDie(
  deployment: Deployment,
  provider: BillingProvider,
  options: { readonly key: string | null; readonly ms: number; readonly kill: boolean; readonly random: () => number },
): Promise<{ readonly key: string; readonly books: Books }> {
  await using gateway = await startProcess(deployment, { env: { OSTIARY_WORKERS: '2', OSTIARY_LOG_LEVEL: 'fatal' } })
  const admin = { adminUrl: gateway.adminUrl, dataDirectory: deployment.dataDirectory }
  let { key } = options
  if (key === null) {
    const { json } = await askAdmin(admin, '/api/keys', { name: 'chaos', environment: 'live' })
    key = (json as { secret: string }).secret
  }
  const { bill } = provider
  const before = await remaining(gateway, key)
  check({ drawn: BUDGET - before, billed: bill.completed + bill.broken })
  let stopping = false
  const callers = Array.from({ length: 8 }, () => callOn(gateway, key, () => stopping, options.random))
  await pause(options.ms)
  if (options.kill) {
    gateway.kill('SIGKILL')
    stopping = true
    await gateway.exited
    await Promise.all(callers)
    return { key, books: { drawn: BUDGET - before, billed: bill.completed + bill.broken } }
  }
  stopping = true
  await Promise.all(callers)
  // At rest nothing is reserved: what is drawn no longer changes.
  const drawn = await until('the books to rest', async () => {
    const now = await remaining(gateway, key)
    await pause(100)
    return (await remaining(gateway, key)) === now ? BUDGET - now : undefined
  })
  const books = { drawn, billed: bill.completed + bill.broken }
  check(books)
  return { key, books }
}

function check({ drawn, billed }: Books): void {
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
