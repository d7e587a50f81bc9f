import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { FormatName } from '#providers/wire-format.ts'
import { ask, openGateway, readAll } from './gateway-under-test.ts'

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
