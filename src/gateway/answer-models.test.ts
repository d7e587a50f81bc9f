import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Decide } from '#policy/decision.ts'
import type { FormatName } from '#providers/wire-format.ts'
import { ask, dial, openGateway, readAll } from './gateway-under-test.ts'

const models = [
  { alias: 'a', model: null, provider: 'p' },
  { alias: 'b', model: 'its-name', provider: 'tagged' },
]

async function get(t: Parameters<typeof openGateway>[0], format: FormatName, path: string) {
  const gateway = await openGateway(t, { format, models })
  const headers: Record<string, string> = format === 'anthropic' ? { 'anthropic-version': '2023-06-01' } : {}
  const res = await ask(gateway.port, { method: 'GET', path, headers })
  const { text } = await readAll(res)
  const event = await gateway.event()
  assert.equal(event.status, res.statusCode)
  return { res, event, text, json: JSON.parse(text) }
}

const openai = (id: string, owner: string) => ({ id, object: 'model', created: 0, owned_by: owner })
const anthropic = (id: string) => ({ type: 'model', id, display_name: id, created_at: '1970-01-01T00:00:00Z' })
const gemini = (id: string) => ({
  name: `models/${id}`,
  displayName: id,
  supportedGenerationMethods: ['generateContent', 'streamGenerateContent'],
})

const lists = {
  openai: ['/v1/models', { object: 'list', data: [openai('a', 'p'), openai('b', 'tagged')] }],
  anthropic: ['/v1/models', { data: [anthropic('a'), anthropic('b')], has_more: false, first_id: 'a', last_id: 'b' }],
  gemini: ['/v1beta/models', { models: [gemini('a'), gemini('b')] }],
} as const

const ones = { openai: openai('b', 'tagged'), anthropic: anthropic('b'), gemini: gemini('b') }

for (const format of ['openai', 'anthropic', 'gemini'] as const) {
  const [path, list] = lists[format]
  test(`lists the models in the shape of ${format}, by their public names`, async t => {
    const { res, json, event, text } = await get(t, format, path)
    assert.deepEqual(json, list)
    assert.equal(res.headers['x-request-id'], event.id)
    assert.equal(res.headers['request-id'], format === 'anthropic' ? event.id : undefined)
    assert.deepEqual([event.outcome, event.bytesOut, event.target], ['completed', text.length, null])
  })

  test(`answers one model in the shape of ${format}, and 404 for none`, async t => {
    const { json, event } = await get(t, format, `${path}/b`)
    assert.deepEqual([json, event.model], [ones[format], 'b'])
    const missing = await get(t, format, `${path}/nothing`)
    assert.deepEqual([missing.res.statusCode, missing.event.problem], [404, 'model.not_found'])
    assert.ok(missing.json.error.message)
  })
}

test('lists no model that speaks another format', async t => {
  const gateway = await openGateway(t, { format: 'anthropic', models })
  const res = await ask(gateway.port, { method: 'GET', path: '/v1/models' })
  assert.deepEqual(JSON.parse((await readAll(res)).text), { object: 'list', data: [] })
})

const many = Array.from({ length: 60 }, (_, n) => ({ alias: `m${n}`, model: null, provider: 'p' }))

/** Policies that take their time: counts what they are asked, in all and at most in one round of the event loop. */
function slowly(allowed: boolean) {
  const asked = { models: [] as string[], inOneRound: 0 }
  let before = 0
  const watch = () => {
    asked.inOneRound = Math.max(asked.inOneRound, asked.models.length - before)
    before = asked.models.length
    watching = setImmediate(watch)
  }
  let watching = setImmediate(watch)
  const decide: Decide = (_principal, _action, { id }) => {
    asked.models.push(id)
    const until = performance.now() + 2
    while (performance.now() < until);
    return { allowed, policies: [], error: null, shadow: null }
  }
  return { asked, decide, [Symbol.dispose]: () => clearImmediate(watching) }
}

const listBytes = 'GET /v1/models HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer live\r\n\r\n'

test('lists of many models leave the event loop to others, however many are asked for at once', async t => {
  using policies = slowly(true)
  const gateway = await openGateway(t, { models: many, decide: policies.decide })
  const lists = await Promise.all(
    Array.from({ length: 8 }, async () => readAll(await ask(gateway.port, { method: 'GET', path: '/v1/models' }))),
  )
  for (const { text } of lists) assert.equal(JSON.parse(text).data.length, 60)
  assert.equal(policies.asked.models.length, 8 * 60)
  // A turn ends after 5 ms, so that the third question is its last; two turns may fall between two looks.
  assert.ok(policies.asked.inOneRound <= 6, `${policies.asked.inOneRound} questions without a pause`)
})

test('one model asks about that one alone', async t => {
  using policies = slowly(true)
  const gateway = await openGateway(t, { models: many, decide: policies.decide })
  const res = await ask(gateway.port, { method: 'GET', path: '/v1/models/m59' })
  assert.equal(JSON.parse((await readAll(res)).text).id, 'm59')
  assert.deepEqual(policies.asked.models, ['m59'])
})

test('a caller who is gone has no more models asked about', async t => {
  using policies = slowly(false)
  const gateway = await openGateway(t, { models: many, decide: policies.decide })
  const socket = dial(gateway.port, listBytes)
  while (policies.asked.models.length === 0) await new Promise(resolve => setImmediate(resolve))
  socket.destroy()
  const event = await gateway.event()
  assert.deepEqual([event.outcome, event.problem, event.status], ['caller_hung_up', 'request.caller_hung_up', 0])
  assert.ok(policies.asked.models.length < 60, `${policies.asked.models.length} questions`)
})
