import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { type ClientRequest, request, type ServerResponse } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { test } from 'node:test'
import { internalActor } from '#core/actor.ts'
import type { CallEvent } from '#core/events.ts'
import {
  BROKEN,
  BUDGET,
  COMPLETED,
  callOn,
  chaosConfig,
  drawnAtRest,
  drawnFrom,
  seeded,
  startBillingProvider,
} from '../support/budget-chaos.ts'
import { type Gateway, startGateway } from '../support/gateway.ts'
import { configFor, startProvider } from '../support/provider.ts'

const tokens = (calls: readonly CallEvent[]) =>
  calls.reduce((sum, { usage }) => sum + (usage?.input ?? 0) + (usage?.output ?? 0), 0)

async function mint({ ostiary }: Gateway, name: string): Promise<{ id: string; secret: string }> {
  const { record, secret } = await ostiary.keys.mint({ name, environment: 'live' }, internalActor('test'))
  return { id: record.id, secret: secret.reveal() }
}

test('after a clean stop events, roll-ups and the budget say the same, and of completed calls what the provider says', async t => {
  await using provider = await startBillingProvider()
  const { yaml, env } = chaosConfig(provider)
  const folder = await mkdtemp(join(tmpdir(), 'ostiary-'))
  t.after(() => rm(folder, { recursive: true, force: true }))
  await using first = await startGateway({ yaml, env, folder, workers: 2 })
  const completing = await mint(first, 'completing')
  const breaking = await mint(first, 'breaking')
  const caller = { url: first.url, random: seeded(20_261_123) }
  const callers = Array.from({ length: 6 }, (_, n) => {
    const [kinds, key] = n % 2 === 0 ? [COMPLETED, completing.secret] : [BROKEN, breaking.secret]
    return callOn({ ...caller, key, kinds, stopped: () => provider.billed(kinds) > 2000 })
  })
  await Promise.all(callers)
  const drawn = await drawnAtRest(first.url, completing.secret)
  await first.ostiary[Symbol.asyncDispose]()

  using database = new DatabaseSync(join(first.dataDirectory, 'ostiary.db'), { readOnly: true })
  const rows = database.prepare('select used, high, closed from allowances').all()
  assert.deepEqual(
    rows.map(row => ({ ...row })),
    [{ used: drawn, high: drawn, closed: 1 }],
  )

  await using second = await startGateway({ env, folder, workers: 2 })
  const calls = (await second.events()).filter(({ route }) => route === 'openai.chat')
  const sums = await second.ostiary.store.usage.list({ by: ['key'], from: 0, projects: null, limit: 100 })
  const ofKey = (id: string) => {
    const own = calls.filter(({ credential }) => credential === id)
    const sum = sums.find(({ group }) => group[0] === id)
    assert.equal((sum?.input ?? 0) + (sum?.output ?? 0), tokens(own), 'roll-ups and events')
    return own
  }
  const completed = ofKey(completing.id)
  for (const { usage } of completed) assert.ok(usage === null || usage.source === 'provider', JSON.stringify(usage))
  assert.ok(completed.length >= 10, `${completed.length} calls`)
  const broken = ofKey(breaking.id)
  for (const kind of ['caller_hung_up', 'upstream_failed']) {
    assert.ok(
      broken.some(({ outcome }) => outcome === kind),
      kind,
    )
  }
  assert.equal(tokens(completed), provider.billed(COMPLETED), 'completed calls')
  assert.ok(tokens(broken) >= provider.billed(BROKEN), `${tokens(broken)} of ${provider.billed(BROKEN)}`)
  assert.equal(tokens(completed) + tokens(broken), drawn, 'the budget')
  assert.ok(drawn < BUDGET * 0.8, 'there was room for all')
  assert.equal(await drawnFrom(second.url, completing.secret), drawn, 'after the next start')
  t.diagnostic(`${calls.length} calls: drawn ${drawn}, billed ${provider.billed()}`)
})

const BILLED = { prompt_tokens: 30, completion_tokens: 4000 }
const ANSWER = JSON.stringify({ choices: [{ index: 0, message: { role: 'assistant', content: 'Hi' } }], usage: BILLED })

/** Where the caller hangs up on the answer, and how long the provider said that it would be. */
const cuts = [
  { where: 'before the head', sent: 0, length: false },
  { where: 'within a body of known length', sent: 40, length: true },
  { where: 'within a body of unknown length', sent: 40, length: false },
] as const

for (const { where, sent, length } of cuts) {
  test(`hung up on ${where}, an answer that its provider finished is not billed below the provider’s count`, async () => {
    const reached = Promise.withResolvers<ServerResponse>()
    await using provider = await startProvider((_received, res) => {
      const headers = length ? { 'content-length': String(ANSWER.length) } : {}
      if (sent > 0) res.writeHead(200, { 'content-type': 'application/json', ...headers }).write(ANSWER.slice(0, sent))
      reached.resolve(res)
    })
    const { yaml, env } = configFor(provider)
    const budget = 'budgets: { t: { unit: tokens, amount: 50000, period: day, per: [key] } }\n'
    await using gateway = await startGateway({ yaml: yaml + budget, env })
    const { secret } = await mint(gateway, 'k')
    const req = post(gateway, secret, { model: 'gpt', messages: [], max_tokens: 4000 })
    const upstream = await reached.promise
    if (sent > 0) await once((await once(req, 'response'))[0], 'data')
    const closed = once(upstream, 'close')
    req.destroy()
    await closed
    const [event] = await gateway.events(1)
    assert.equal(event?.outcome, 'caller_hung_up')
    assert.equal(event.usage?.source, 'estimate')
    assert.ok(event.usage.output >= BILLED.completion_tokens, JSON.stringify(event.usage))
  })
}

function post({ url }: Gateway, key: string, body: object): ClientRequest {
  const headers = { authorization: `Bearer ${key}`, 'content-type': 'application/json' }
  const req = request(`${url}/v1/chat/completions`, { method: 'POST', headers, agent: false })
  req.on('error', () => {}).end(JSON.stringify(body))
  return req
}
