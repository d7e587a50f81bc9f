import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ask } from './exchange-under-test.ts'

const PATH = '/v1/messages'
const user = { role: 'user', content: 'Hello' }
const request = { model: 'm', max_tokens: 100, messages: [user] }
const tools = [
  { type: 'web_search_20250305', name: 'web_search' },
  { name: 'a', input_schema: { type: 'object' } },
  { name: 'b', input_schema: { type: 'object', properties: { q: { enum: ['x'] } }, required: ['q'] } },
]

test('streams the events in the order of the format, each named as its type', async () => {
  const { text, events } = await ask(PATH, { ...request, stream: true })
  const names = [...text.matchAll(/^event: (.+)$/gm)].map(match => match[1])
  assert.deepEqual(
    names,
    events().map(event => event.type),
  )
  assert.deepEqual(names, [
    'message_start',
    'content_block_start',
    'ping',
    'content_block_delta',
    'content_block_delta',
    'content_block_delta',
    'content_block_delta',
    'content_block_stop',
    'message_delta',
    'message_stop',
  ])
})

test('streams a tool’s input as partial JSON', async () => {
  const events = (
    await ask(PATH, { ...request, stream: true, tools, tool_choice: { type: 'tool', name: 'b' } })
  ).events()
  const { content_block: block } = events.find(event => event.type === 'content_block_start')
  assert.equal(block.name, 'b')
  assert.deepEqual(block.input, {})
  const json = events.filter(event => event.type === 'content_block_delta').map(event => event.delta.partial_json)
  assert.deepEqual(JSON.parse(json.join('')), { q: 'x' })
  assert.equal(events.at(-2).delta.stop_reason, 'tool_use')
})

test('calls the first tool that is the caller’s own', async () => {
  assert.equal((await ask(PATH, { ...request, tools })).json().content[0].name, 'a')
  assert.equal((await ask(PATH, { ...request, tools: tools.slice(0, 1) })).json().content[0].type, 'text')
  assert.equal((await ask(PATH, { ...request, tools, tool_choice: { type: 'none' } })).json().content[0].type, 'text')
})

test('takes a tool result for the last word, even with text beside it', async () => {
  const result = { type: 'tool_result', tool_use_id: 't', content: [{ type: 'text', text: 'Sunny' }] }
  const content = [result, { type: 'text', text: 'Reminder' }]
  const reply = (await ask(PATH, { ...request, tools, messages: [user, { role: 'user', content }] })).json()
  assert.match(reply.content[0].text, /The tool answered: "Sunny"/)
})

test('counts a system prompt alike as text and as blocks', async () => {
  const tokens = async (system: unknown) => (await ask(PATH, { ...request, system })).json().usage.input_tokens
  assert.equal(await tokens('Be brief'), 3)
  assert.equal(await tokens([{ type: 'text', text: 'Be brief', cache_control: { type: 'ephemeral' } }]), 3)
})

test('max_tokens cuts the answer', async () => {
  const { content, stop_reason, usage } = (await ask(PATH, { ...request, max_tokens: 3 })).json()
  assert.equal(content[0].text, 'This is the')
  assert.equal(stop_reason, 'max_tokens')
  assert.equal(usage.output_tokens, 3)
})
