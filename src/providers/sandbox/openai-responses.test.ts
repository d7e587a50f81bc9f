import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ask } from './exchange-under-test.ts'

const PATH = '/v1/responses'
const request = { model: 'm', input: 'Hello' }
const tools = [
  { type: 'web_search' },
  { type: 'function', name: 'a', parameters: null },
  { type: 'function', name: 'b' },
]
const delta = (type: string) => Array(4).fill(`response.${type}.delta`)

test('streams the events of a text in order, numbered', async () => {
  const { text, events } = await ask(PATH, { ...request, stream: true })
  assert.deepEqual(
    [...text.matchAll(/^event: (.+)$/gm)].map(match => match[1]),
    events().map(event => event.type),
  )
  assert.deepEqual(
    events().map(event => event.type),
    [
      'response.created',
      'response.in_progress',
      'response.output_item.added',
      'response.content_part.added',
      ...delta('output_text'),
      'response.output_text.done',
      'response.content_part.done',
      'response.output_item.done',
      'response.completed',
    ],
  )
  assert.deepEqual(
    events().map(event => event.sequence_number),
    [...events().keys()],
  )
  const [created] = events()
  assert.equal(created.response.status, 'in_progress')
  assert.equal(created.response.usage, null)
  assert.equal(events().at(-1).response.id, created.response.id)
})

test('streams the arguments of a function call', async () => {
  const events = (await ask(PATH, { ...request, tools, stream: true })).events()
  const types = events.map(event => event.type)
  assert.equal(types.at(-3), 'response.function_call_arguments.done')
  assert.equal(events.at(-3).arguments, '{}')
  const [item] = events.at(-1).response.output
  assert.deepEqual(events.at(-2).item, item)
  assert.deepEqual([item.name, item.arguments, item.status], ['a', '{}', 'completed'])
})

const choices: [unknown, string | undefined][] = [
  ['none', undefined],
  ['required', 'a'],
  [{ type: 'function', name: 'b' }, 'b'],
  [{ type: 'allowed_tools', mode: 'auto', tools: [{ type: 'function', name: 'b' }] }, 'b'],
]
for (const [tool_choice, called] of choices) {
  test(`tool choice ${JSON.stringify(tool_choice)} calls ${called ?? 'nothing'}`, async () => {
    assert.equal((await ask(PATH, { ...request, tools, tool_choice })).json().output[0].name, called)
  })
}

test('repeats what the request set', async () => {
  const set = {
    instructions: 'Be brief',
    metadata: { a: 'b' },
    temperature: 0.5,
    max_output_tokens: 50,
    tools,
    tool_choice: 'none',
  }
  const response = (await ask(PATH, { ...request, ...set })).json()
  for (const [name, value] of Object.entries(set)) assert.deepEqual(response[name], value)
})

test('counts messages, instructions, calls and results', async () => {
  const tokens = async (body: object) => (await ask(PATH, { ...request, ...body })).json().usage.input_tokens
  assert.equal(await tokens({}), 1)
  assert.equal(await tokens({ input: [{ role: 'user', content: [{ type: 'input_text', text: 'Hello' }] }] }), 1)
  assert.equal(await tokens({ instructions: 'Be brief' }), 3)
  const call = { type: 'function_call', call_id: 'c', name: 'a', arguments: '{}' }
  const output = { type: 'function_call_output', call_id: 'c', output: [{ type: 'input_text', text: 'Sunny day' }] }
  assert.equal(await tokens({ input: [{ role: 'user', content: 'Hello' }, call, output] }), 5)
})
