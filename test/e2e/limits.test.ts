import assert from 'node:assert/strict'
import { writeFile } from 'node:fs/promises'
import { request } from 'node:http'
import { describe, test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import Anthropic from '@anthropic-ai/sdk'
import OpenAI from 'openai'
import { internalActor } from '#core/actor.ts'
import type { NewKey } from '#keys/keys.ts'
import { ask, type Gateway, type Reply, startGateway, until } from '../support/gateway.ts'
import { configFor, type Provider, sendJson, startProvider } from '../support/provider.ts'

const CHAT = { model: 'gpt', messages: [{ role: 'user', content: 'Hello' }] }
const ANSWER = {
  id: 'chatcmpl-1',
  object: 'chat.completion',
  created: 0,
  model: 'gpt-real',
  choices: [{ index: 0, finish_reason: 'stop', message: { role: 'assistant', content: 'Hi' } }],
  usage: { prompt_tokens: 10, completion_tokens: 5, total_tokens: 15 },
}
const MESSAGE = {
  id: 'msg_1',
  type: 'message',
  role: 'assistant',
  model: 'claude-real',
  content: [{ type: 'text', text: 'Hi' }],
  stop_reason: 'end_turn',
  stop_sequence: null,
  usage: { input_tokens: 10, output_tokens: 5 },
}

const answer: Provider['answer'] = ({ path }, res) => sendJson(res, 200, path.endsWith('/messages') ? MESSAGE : ANSWER)

async function open(members: string, workers = 1, folder?: string) {
  const provider = await startProvider(answer)
  const { yaml, env } = configFor(provider)
  const gateway = await startGateway({ yaml: yaml + members, env, workers, ...(folder !== undefined && { folder }) })
  return {
    provider,
    gateway,
    [Symbol.asyncDispose]: async () => {
      await gateway[Symbol.asyncDispose]()
      await provider[Symbol.asyncDispose]()
    },
  }
}

async function mint({ ostiary }: Gateway, settings: Partial<NewKey> = {}): Promise<string> {
  const { secret } = await ostiary.keys.mint({ name: 'k', environment: 'live', ...settings }, internalActor('test'))
  return secret.reveal()
}

function call(gateway: Gateway, key: string, body: object = CHAT, path = '/v1/chat/completions'): Promise<Reply> {
  const headers = { authorization: `Bearer ${key}`, 'content-type': 'application/json' }
  return ask(`${gateway.url}${path}`, { headers, body: JSON.stringify(body) })
}

function statuses(replies: readonly Reply[]): Record<number, number> {
  const counts: Record<number, number> = {}
  for (const { status } of replies) counts[status] = (counts[status] ?? 0) + 1
  return counts
}

describe('rate limits', () => {
  test('are exact over all workers, whatever arrives at once', async () => {
    await using open_ = await open('limits: { all: { unit: requests, amount: 50, windowSeconds: 3600, per: [] } }\n', 4)
    const key = await mint(open_.gateway)
    const replies = await Promise.all(Array.from({ length: 150 }, () => call(open_.gateway, key)))
    assert.deepEqual(statuses(replies), { 200: 50, 429: 100 })
    assert.equal(open_.provider.requests.length, 50)
  })

  test('count each key, project and address of their own', async () => {
    const limits =
      'limits: { k: { unit: requests, amount: 2, windowSeconds: 3600 }, p: { unit: requests, amount: 5, windowSeconds: 3600, per: [project] } }\n'
    await using open_ = await open(limits)
    const { gateway } = open_
    const project = await gateway.ostiary.projects.create(
      { name: 'other', description: null, metadata: {} },
      internalActor('test'),
    )
    const keys = [await mint(gateway), await mint(gateway), await mint(gateway)]
    const others = [await mint(gateway, { project: project.id })]
    const replies: Record<string, number[]> = {}
    for (const [index, key] of [...keys, ...others].entries()) {
      replies[index] = []
      for (let n = 0; n < 3; n++) replies[index].push((await call(gateway, key)).status)
    }
    assert.deepEqual(replies, { 0: [200, 200, 429], 1: [200, 200, 429], 2: [200, 429, 429], 3: [200, 200, 429] })
  })

  test('say what is left, when to come back, and keep their word', async () => {
    await using open_ = await open('limits: { burst: { unit: requests, amount: 2, windowSeconds: 2 } }\n')
    const { gateway } = open_
    const key = await mint(gateway)
    const first = await call(gateway, key)
    assert.equal(first.headers['ratelimit-policy'], '"burst";q=2;w=2')
    assert.match(String(first.headers.ratelimit), /^"burst";r=1;t=[12]$/)
    assert.equal(first.headers['x-ratelimit-limit-requests'], '2')
    assert.equal(first.headers['x-ratelimit-remaining-requests'], '1')
    await call(gateway, key)
    const refused = await call(gateway, key)
    assert.equal(refused.status, 429)
    assert.match(refused.text, /rate_limit_exceeded/)
    assert.equal(refused.headers['x-should-retry'], 'true')
    assert.match(String(refused.headers.ratelimit), /^"burst";r=0;t=/)
    const waitMs = Number(refused.headers['retry-after-ms'])
    assert.ok(waitMs > 0 && waitMs <= 1001, String(waitMs))
    assert.equal(refused.headers['retry-after'], '1')
    await pause(waitMs)
    assert.equal((await call(gateway, key)).status, 200)
    const message = await call(
      gateway,
      key,
      { model: 'claude', max_tokens: 9, messages: CHAT.messages },
      '/v1/messages',
    )
    assert.equal(message.status, 429)
    assert.equal(message.headers['anthropic-ratelimit-requests-remaining'], '0')
    assert.match(message.text, /rate_limit_error/)
  })

  test('are not used up by what a later stage refuses', async () => {
    await using open_ = await open('limits: { k: { unit: requests, amount: 1, windowSeconds: 3600 } }\n')
    const { gateway } = open_
    const key = await mint(gateway, { models: ['gpt'] })
    for (const [body, status] of [
      [{ model: 'claude-x', messages: [] }, 400],
      [{ model: 'gpt-9', messages: [] }, 403],
      [{ model: 'nothing', messages: [] }, 404],
      [{ model: 'gpt' }, 400],
    ] as const) {
      assert.equal((await call(gateway, key, body)).status, status, JSON.stringify(body))
    }
    assert.equal((await call(gateway, key)).status, 200)
    assert.equal((await call(gateway, key)).status, 429)
  })

  test('of one key alone, as it was made', async () => {
    await using open_ = await open('')
    const { gateway } = open_
    const bounded = await mint(gateway, { limits: [{ unit: 'requests', amount: 1, windowSeconds: 3600 }] })
    assert.equal((await call(gateway, bounded)).status, 200)
    const refused = await call(gateway, bounded)
    assert.equal(refused.status, 429)
    // Over a minute: a client that ignores such waits must be told not to come back.
    assert.equal(refused.headers['x-should-retry'], 'false')
    assert.equal((await call(gateway, await mint(gateway))).status, 200)
  })

  test('of tokens are reserved by estimate and corrected by what was used', async () => {
    await using open_ = await open('limits: { t: { unit: tokens, amount: 1000, windowSeconds: 3600 } }\n')
    const { gateway } = open_
    const key = await mint(gateway)
    const reply = await call(gateway, key, { ...CHAT, max_tokens: 500 })
    assert.equal(reply.status, 200)
    assert.equal(reply.headers['ratelimit-policy'], '"t";q=1000;w=3600;ostiary-unit="tokens"')
    const after = await until('the correction', async () => {
      const seen = await self(gateway, key)
      return seen.limits[0]?.remaining === 985 ? seen : undefined
    })
    assert.deepEqual(after.limits[0], {
      ...after.limits[0],
      name: 't',
      unit: 'tokens',
      limit: 1000,
      window_seconds: 3600,
    })
    const tooMuch = await call(gateway, key, { ...CHAT, max_tokens: 990 })
    assert.equal(tooMuch.status, 429)
    assert.equal((await call(gateway, key, { ...CHAT, max_tokens: 500 })).status, 200)
  })

  test('over more than an hour are what they were after a stop and a start, those within it begin anew', async () => {
    const limits = (windowSeconds: number) =>
      `limits: { k: { unit: requests, amount: 3, windowSeconds: ${windowSeconds} } }\n`
    for (const [windowSeconds, expected] of [
      [7200, { 200: 1, 429: 2 }],
      [3600, { 200: 3 }],
    ] as const) {
      await using first = await open(limits(windowSeconds))
      const key = await mint(first.gateway)
      for (let n = 0; n < 2; n++) assert.equal((await call(first.gateway, key)).status, 200)
      await first.gateway.ostiary[Symbol.asyncDispose]()
      await using second = await open(limits(windowSeconds), 1, first.gateway.folder)
      const replies = await Promise.all([1, 2, 3].map(() => call(second.gateway, key)))
      assert.deepEqual(statuses(replies), expected)
    }
  })

  test('of a reload begin to count, and named limits that went are named in its event', async () => {
    await using open_ = await open('limits: { k: { unit: requests, amount: 1, windowSeconds: 3600 } }\n')
    const { gateway, provider } = open_
    const key = await mint(gateway)
    assert.equal((await call(gateway, key)).status, 200)
    assert.equal((await call(gateway, key)).status, 429)
    await writeFile(gateway.configFile, configFor(provider).yaml)
    await gateway.ostiary.reload('test')
    assert.equal((await call(gateway, key)).status, 200)
    const [event] = await gateway.ostiary.store.events.list({ limit: 1, type: 'config.reloaded' })
    assert.match(JSON.stringify(event), /limits\.k: removed/)
  })
})

describe('limits of calls at once', () => {
  const limits = 'limits: { c: { unit: concurrency, amount: 2 } }\n'

  test('hold while calls run, and let go when they end, are hung up or fail', async () => {
    await using open_ = await open(limits)
    const { gateway, provider } = open_
    const key = await mint(gateway)
    const held: (() => void)[] = []
    provider.answer = (received, res) =>
      new Promise(resolve => held.push(() => resolve(answer(received, res) as undefined)))
    const running = [call(gateway, key), call(gateway, key)]
    await until('both under way', () => held.length === 2)
    const refused = await call(gateway, key)
    assert.equal(refused.status, 429)
    assert.equal(refused.headers['retry-after'], '1')
    for (const release of held.splice(0)) release()
    assert.deepEqual(statuses(await Promise.all(running)), { 200: 2 })

    // Hung up before the answer.
    const headers = { authorization: `Bearer ${key}`, 'content-type': 'application/json' }
    for (let n = 0; n < 2; n++) {
      const req = request(`${gateway.url}/v1/chat/completions`, { method: 'POST', headers, agent: false }).on(
        'error',
        () => {},
      )
      req.end(JSON.stringify(CHAT))
      await until('it is under way', () => held.length === n + 1)
      req.destroy()
    }
    provider.answer = (_received, res) => void res.destroy()
    await until('both let go', async () => (await call(gateway, key)).status === 502)
    provider.answer = answer
    assert.deepEqual(statuses(await Promise.all([call(gateway, key), call(gateway, key)])), { 200: 2 })
  })

  test('are let go when the worker dies that held them', async () => {
    await using open_ = await open(limits, 2)
    const { gateway, provider } = open_
    const { supervisor } = gateway.ostiary
    const key = await mint(gateway)
    let under = 0
    provider.answer = () => new Promise(() => void under++)
    const lost = [call(gateway, key).catch(() => null), call(gateway, key).catch(() => null)]
    await until('both under way', () => under === 2)
    for (const worker of supervisor.workers) await worker.terminate()
    await Promise.all(lost)
    provider.answer = answer
    await until('both let go', async () => (await call(gateway, key).catch(() => null))?.status === 200)
    const replies = await Promise.all([call(gateway, key), call(gateway, key)])
    assert.deepEqual(statuses(replies), { 200: 2 })
  })
})

interface Self {
  readonly id: string
  readonly limits: readonly {
    name: string
    unit: string
    limit: number
    remaining: number
    window_seconds: number
    reset_seconds: number
  }[]
  readonly budgets: readonly {
    name: string
    unit: string
    limit: number
    remaining: number
    period: string
    resets_at: string | null
  }[]
}

async function self({ url }: Gateway, key: string): Promise<Self> {
  const { status, text } = await ask(`${url}/ostiary/key`, {
    method: 'GET',
    headers: { authorization: `Bearer ${key}` },
  })
  assert.equal(status, 200, text)
  return JSON.parse(text)
}

describe('what a caller may see of their own key', () => {
  test('its limits and budgets as they stand; looking costs nothing', async () => {
    await using open_ = await open('limits: { k: { unit: requests, amount: 3, windowSeconds: 3600 } }\n')
    const { gateway } = open_
    const key = await mint(gateway, {
      budgets: [{ unit: 'tokens', amount: 1000, period: 'month' }],
      scopes: ['chat:create'],
    })
    for (let n = 0; n < 5; n++) assert.equal((await self(gateway, key)).limits[0]?.remaining, 3)
    await call(gateway, key, { ...CHAT, max_tokens: 100 })
    const seen = await until('it is settled', async () => {
      const now = await self(gateway, key)
      return now.budgets[0]?.remaining === 985 ? now : undefined
    })
    assert.equal(seen.limits[0]?.remaining, 2)
    assert.equal(seen.budgets[0]?.limit, 1000)
    assert.match(seen.budgets[0]?.resets_at ?? '', /^\d{4}-\d\d-01T00:00:00/)
    const none = await ask(`${gateway.url}/ostiary/key`, { method: 'GET' })
    assert.equal(none.status, 401)
  })
})

describe('SDKs', () => {
  test('wait the right time when the rate is gone', async () => {
    await using open_ = await open('limits: { k: { unit: requests, amount: 1, windowSeconds: 2 } }\n')
    const { gateway, provider } = open_
    const openai = new OpenAI({ baseURL: `${gateway.url}/v1`, apiKey: await mint(gateway), maxRetries: 2 })
    const anthropic = new Anthropic({ baseURL: gateway.url, apiKey: await mint(gateway), maxRetries: 2 })
    const messages = [{ role: 'user' as const, content: 'Hello' }]
    for (const ask of [
      () => openai.chat.completions.create({ model: 'gpt', messages }),
      () => anthropic.messages.create({ model: 'claude', max_tokens: 9, messages }),
    ]) {
      provider.requests.splice(0)
      await ask()
      const began = performance.now()
      await ask()
      const waited = performance.now() - began
      assert.ok(waited > 1500 && waited < 4000, `${waited} ms`)
      assert.equal(provider.requests.length, 2)
    }
    // One refusal each: whoever had come back too early would have been refused again.
    const refused = (await gateway.events(6)).filter(({ status }) => status === 429)
    assert.equal(refused.length, 2)
  })

  test('stop when the budget is gone', async () => {
    await using open_ = await open('budgets: { all: { unit: tokens, amount: 20, period: total, per: [] } }\n')
    const { gateway, provider } = open_
    const messages = [{ role: 'user' as const, content: 'Hi' }]
    const openai = new OpenAI({ baseURL: `${gateway.url}/v1`, apiKey: await mint(gateway), maxRetries: 3 })
    const anthropic = new Anthropic({ baseURL: gateway.url, apiKey: await mint(gateway), maxRetries: 3 })
    await assert.rejects(openai.chat.completions.create({ model: 'gpt', max_tokens: 500, messages }), {
      status: 402,
      code: 'insufficient_quota',
    })
    await assert.rejects(
      anthropic.messages.create({ model: 'claude', max_tokens: 500, messages }),
      (error: unknown) => {
        assert.ok(error instanceof Anthropic.APIError)
        assert.equal(error.status, 402)
        assert.match(error.message, /billing_error/)
        return true
      },
    )
    assert.equal(provider.requests.length, 0)
    assert.deepEqual(
      (await gateway.events(2)).map(({ status }) => status),
      [402, 402],
    )
  })
})

describe('counters', () => {
  const limits =
    'limits: { m: { unit: requests, amount: 9, windowSeconds: 3600, per: [key, operation] } }\ncounters: { slots: 1024 }\n'

  test('that find no room refuse their call, and end nothing else', async () => {
    await using open_ = await open(limits)
    const { gateway } = open_
    const worker = gateway.ostiary.supervisor.workers[0]
    const first = await mint(gateway)
    assert.equal((await call(gateway, first)).status, 200)
    const replies: Reply[] = []
    for (let n = 0; n < 1100; n += 50) {
      const keys = await Promise.all(Array.from({ length: 50 }, () => mint(gateway)))
      replies.push(...(await Promise.all(keys.map(key => call(gateway, key)))))
    }
    const refused = replies.filter(({ status }) => status === 503)
    assert.ok(refused.length >= 1101 - 1024, `${refused.length} refused`)
    assert.equal(refused.length + (statuses(replies)[200] ?? 0), 1100)
    assert.match(refused[0]?.text ?? '', /limits\.too_many_counters/)
    // Who has a counter goes on, on the worker that refused the others.
    assert.equal((await call(gateway, first)).status, 200)
    assert.equal(gateway.ostiary.supervisor.workers[0], worker)
  })

  test('are not made by whoever only looks, and not of names that callers make up', async () => {
    const perModel =
      'limits: { m: { unit: requests, amount: 9, windowSeconds: 7200, per: [key, model] } }\ncounters: { slots: 1024 }\n'
    await using open_ = await open(perModel)
    const { gateway } = open_
    const key = await mint(gateway)
    const look = (query: string) =>
      ask(`${gateway.url}/ostiary/key?${query}`, { method: 'GET', headers: { authorization: `Bearer ${key}` } })
    assert.equal((await look('model=nothing')).status, 404)
    assert.equal((await look('operation=nothing')).status, 404)
    assert.match((await look('model=gpt')).text, /"remaining":9/)
    for (let n = 0; n < 12; n++) assert.equal((await look(`model=gpt-x${n}`)).status, 200)
    // Of a pattern, names that no price list knows are counted together.
    const made = await Promise.all(
      Array.from({ length: 12 }, (_, n) => call(gateway, key, { ...CHAT, model: `gpt-x${n}` })),
    )
    assert.deepEqual(statuses(made), { 200: 9, 429: 3 })
    assert.equal((await call(gateway, key, { ...CHAT, model: 'gpt-4o' })).status, 200)
    assert.equal((await call(gateway, key)).status, 200)
  })
})
