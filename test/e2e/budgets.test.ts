import assert from 'node:assert/strict'
import { request } from 'node:http'
import { describe, test } from 'node:test'
import { internalActor } from '#core/actor.ts'
import type { NewKey } from '#keys/keys.ts'
import { BUDGET, chaosConfig, liveAndDie, seeded, startBillingProvider } from '../support/budget-chaos.ts'
import { ask, type Gateway, type Reply, startGateway, until } from '../support/gateway.ts'
import { createDeployment } from '../support/process.ts'
import { configFor, sendJson, startProvider, writeEvent } from '../support/provider.ts'

const chat = (more: object = {}) => ({
  model: 'gpt',
  messages: [{ role: 'user', content: 'Hello' }],
  max_tokens: 20,
  ...more,
})
const reply = (input: number, output: number) => ({
  choices: [{ index: 0, message: { role: 'assistant', content: 'Hi' } }],
  usage: { prompt_tokens: input, completion_tokens: output, total_tokens: input + output },
})

async function open(yaml: string, folder?: string) {
  const provider = await startProvider((_received, res) => sendJson(res, 200, reply(10, 5)))
  const config = configFor(provider)
  const gateway = await startGateway({
    yaml: config.yaml.replace('model: gpt-real }', 'model: gpt-real, price: { input: 1000, output: 2000 } }') + yaml,
    env: config.env,
    ...(folder !== undefined && { folder }),
  }).catch(async error => {
    await provider[Symbol.asyncDispose]()
    throw error
  })
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

function call({ url }: Gateway, key: string, body: object = chat()): Promise<Reply> {
  const headers = { authorization: `Bearer ${key}`, 'content-type': 'application/json' }
  return ask(`${url}/v1/chat/completions`, { headers, body: JSON.stringify(body) })
}

async function budgetOf({ url }: Gateway, key: string) {
  const { text } = await ask(`${url}/ostiary/key`, { method: 'GET', headers: { authorization: `Bearer ${key}` } })
  const [budget] = (JSON.parse(text) as { budgets: { limit: number; remaining: number }[] }).budgets
  return budget as { limit: number; remaining: number }
}

describe('a budget of money', () => {
  // 10 tokens in at $1000 a million and 5 out at $2000: $0.02 a call.
  test('is spent at the configured price, and refuses with 402 when it cannot cover a call', async () => {
    await using open_ = await open('budgets: { m: { unit: usd, amount: 0.5, period: month, models: [gpt] } }\n')
    const { gateway } = open_
    const key = await mint(gateway)
    for (let n = 1; n <= 3; n++) {
      assert.equal((await call(gateway, key)).status, 200)
      await until(
        'it is settled',
        async () => Math.round((await budgetOf(gateway, key)).remaining * 1e6) === 500_000 - n * 20_000,
      )
    }
    const refused = await call(gateway, key, chat({ max_tokens: 1000 }))
    assert.equal(refused.status, 402)
    assert.equal(refused.headers['x-should-retry'], 'false')
    assert.equal(refused.headers['retry-after'], undefined)
    assert.match(refused.text, /insufficient_quota/)
    const calls = await until('all events', async () => {
      const found = (await gateway.events()).filter(({ route }) => route === 'openai.chat')
      return found.length === 4 && found
    })
    assert.deepEqual(
      calls.map(({ problem, costNanoUsd }) => problem ?? costNanoUsd),
      ['budget.exhausted', 20_000_000, 20_000_000, 20_000_000],
    )
  })

  test('refuses what has no bound or no price', async () => {
    await using open_ = await open('budgets: { m: { unit: usd, amount: 5, period: month, models: [gpt] } }\n')
    const { gateway } = open_
    const key = await mint(gateway)
    const image = [{ role: 'user', content: [{ type: 'image_url', image_url: { url: 'https://example.com/a.png' } }] }]
    const unbounded = await call(gateway, key, chat({ messages: image }))
    assert.equal(unbounded.status, 400)
    assert.match(unbounded.text, /budget\.unbounded/)
    const dearer = await call(gateway, key, chat({ service_tier: 'priority' }))
    assert.equal(dearer.status, 400)
    assert.match(dearer.text, /service_tier/)
    const endless = await call(gateway, key, { model: 'gpt', messages: [] })
    assert.equal(endless.status, 400, 'no bound of output')
    const own = await mint(gateway, { budgets: [{ unit: 'usd', amount: 5, period: 'month' }] })
    const unpriced = await call(gateway, own, chat({ model: 'gpt-unknown' }))
    assert.equal(unpriced.status, 403)
    assert.match(unpriced.text, /budget\.no_price/)
  })

  test('over a model of which nobody knows a price is an error of the configuration', async () => {
    await assert.rejects(open('budgets: { m: { unit: usd, amount: 5, period: month, models: [claude] } }\n'), {
      code: 'config.invalid',
      detail: /models\.claude\.price/,
    })
  })

  test('tells once when a threshold is reached', async () => {
    await using open_ = await open(
      'budgets: { m: { unit: usd, amount: 1, period: month, models: [gpt], alertAt: [2, 4] } }\n',
    )
    const { gateway } = open_
    const key = await mint(gateway)
    for (let n = 0; n < 4; n++) await call(gateway, key)
    const events = await until('both thresholds', async () => {
      const found = await gateway.ostiary.store.events.list({ limit: 10, type: 'budget.threshold_reached' })
      return found.length >= 2 ? found : undefined
    })
    assert.equal(events.length, 2)
  })
})

describe('a budget of tokens', () => {
  const tokens = 'budgets: { t: { unit: tokens, amount: 5000, period: day, per: [key] } }\n'

  test('bills a call that was hung up', async () => {
    await using open_ = await open(tokens)
    const { gateway, provider } = open_
    const key = await mint(gateway)
    provider.answer = async (_received, res) => {
      res.writeHead(200, { 'content-type': 'text/event-stream' })
      for (let n = 0; n < 10; n++) writeEvent(res, { choices: [{ index: 0, delta: { content: 'words and words ' } }] })
    }
    const headers = { authorization: `Bearer ${key}`, 'content-type': 'application/json' }
    const req = request(`${gateway.url}/v1/chat/completions`, { method: 'POST', headers, agent: false }, res => {
      res.once('data', () => setTimeout(() => req.destroy(), 50))
      res.on('error', () => {})
    })
    req.on('error', () => {}).end(JSON.stringify(chat({ stream: true, max_tokens: 1000 })))
    const [event] = await gateway.events(1)
    assert.equal(event?.outcome, 'caller_hung_up')
    assert.equal(event.usage?.source, 'estimate')
    assert.ok((event.usage?.output ?? 0) >= 30, JSON.stringify(event.usage))
    const { remaining } = await budgetOf(gateway, key)
    assert.equal(5000 - remaining, (event.usage?.input ?? 0) + (event.usage?.output ?? 0))
  })

  test('is what it was after a stop and a start', async () => {
    await using first = await open(tokens)
    const key = await mint(first.gateway)
    await call(first.gateway, key)
    await until('it is settled', async () => (await budgetOf(first.gateway, key)).remaining === 4985)
    await first.gateway.ostiary[Symbol.asyncDispose]()
    await using second = await open(tokens, first.gateway.folder)
    assert.equal((await budgetOf(second.gateway, key)).remaining, 4985)
  })

  test('made today counts what was used before it was made', async () => {
    await using first = await open('')
    const key = await mint(first.gateway)
    await call(first.gateway, key)
    await first.gateway.events(1)
    await first.gateway.ostiary[Symbol.asyncDispose]()
    await using second = await open(tokens, first.gateway.folder)
    assert.equal((await budgetOf(second.gateway, key)).remaining, 4985)
  })

  test('is given back what a refusal of the gateway had reserved', async () => {
    await using open_ = await open(tokens)
    const { gateway, provider } = open_
    const key = await mint(gateway)
    await provider[Symbol.asyncDispose]()
    assert.equal((await call(gateway, key)).status, 502)
    await until('it is given back', async () => (await budgetOf(gateway, key)).remaining === 5000)
  })
})

test('chaos: mixed calls, hang-ups, errors, kill -9 and restarts never overdraw a budget, and never bill too little', async t => {
  await using provider = await startBillingProvider()
  const { yaml, env } = chaosConfig(provider)
  using deployment = createDeployment(yaml, env)
  const random = seeded(20_261_122)
  let key: string | null = null
  for (const kill of [true, false, true, true, false]) {
    const life = await liveAndDie(deployment, provider, { key, ms: 500, kill, random })
    key = life.key
    t.diagnostic(`${kill ? 'killed' : 'stopped'}: drawn ${life.drawn} of ${BUDGET}, billed ${provider.billed()}`)
  }
  // What the last ones left is checked by the start of one more.
  await liveAndDie(deployment, provider, { key, ms: 0, kill: false, random })
})
