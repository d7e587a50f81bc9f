import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ask } from './exchange-under-test.ts'

const PATH = '/v1/chat/completions'
const user = { role: 'user', content: 'Hello' }
const chat = { model: 'm', messages: [user] }
const tool = (name: string) => ({
  type: 'function',
  function: { name, parameters: { type: 'object', properties: { q: { type: 'string' } }, required: ['q'] } },
})

test('answers as many choices as asked and counts each', async () => {
  const one = (await ask(PATH, chat)).json()
  const three = (await ask(PATH, { ...chat, n: 3 })).json()
  assert.deepEqual(
    three.choices.map((choice: { index: number }) => choice.index),
    [0, 1, 2],
  )
  assert.equal(three.usage.completion_tokens, 3 * one.usage.completion_tokens)
  assert.equal(three.usage.total_tokens, three.usage.prompt_tokens + three.usage.completion_tokens)
  const streamed = await ask(PATH, { ...chat, n: 3, stream: true })
  assert.equal(streamed.events().filter(event => event.choices[0].finish_reason === 'stop').length, 3)
})

test('streams the role first, usage only where asked, and ends with [DONE]', async () => {
  const without = await ask(PATH, { ...chat, stream: true })
  assert.ok(without.text.endsWith('data: [DONE]\n\n'))
  assert.equal(without.headers['content-type'], 'text/event-stream; charset=utf-8')
  assert.equal(without.events()[0].choices[0].delta.role, 'assistant')
  assert.ok(without.events().every(event => !('usage' in event) && event.choices.length === 1))
  const asked = (await ask(PATH, { ...chat, stream: true, stream_options: { include_usage: true } })).events()
  assert.deepEqual(asked.at(-1).choices, [])
  assert.ok(asked.at(-1).usage.total_tokens > 0)
  assert.ok(asked.slice(0, -1).every(event => event.usage === null))
})

for (const limit of ['max_tokens', 'max_completion_tokens']) {
  test(`${limit} cuts the answer`, async () => {
    const { choices, usage } = (await ask(PATH, { ...chat, [limit]: 3 })).json()
    assert.equal(choices[0].message.content, 'This is the')
    assert.equal(choices[0].finish_reason, 'length')
    assert.equal(usage.completion_tokens, 3)
    const events = (await ask(PATH, { ...chat, [limit]: 3, stream: true })).events()
    assert.equal(events.at(-1).choices[0].finish_reason, 'length')
  })
}

test('leaves out a tool call that does not fit', async () => {
  const { choices, usage } = (await ask(PATH, { ...chat, tools: [tool('a')], max_tokens: 2 })).json()
  assert.equal(choices[0].finish_reason, 'length')
  assert.equal(choices[0].message.tool_calls, undefined)
  assert.equal(usage.completion_tokens, 2)
})

const choices: [string, unknown, string | undefined][] = [
  ['auto', 'auto', 'a'],
  ['required', 'required', 'a'],
  ['none', 'none', undefined],
  ['a named tool', { type: 'function', function: { name: 'b' } }, 'b'],
  [
    'allowed tools',
    { type: 'allowed_tools', allowed_tools: { mode: 'auto', tools: [{ type: 'function', function: { name: 'b' } }] } },
    'b',
  ],
]
for (const [what, tool_choice, called] of choices) {
  test(`tool choice ${what} calls ${called ?? 'nothing'}`, async () => {
    const { choices } = (await ask(PATH, { ...chat, tools: [tool('a'), tool('b')], tool_choice })).json()
    assert.equal(choices[0].message.tool_calls?.[0].function.name, called)
    assert.equal(choices[0].finish_reason, called ? 'tool_calls' : 'stop')
    assert.equal(choices[0].message.content === null, called !== undefined)
  })
}

test('refuses a choice of a tool that is not there', async () => {
  const reply = await ask(PATH, {
    ...chat,
    tools: [tool('a')],
    tool_choice: { type: 'function', function: { name: 'z' } },
  })
  assert.equal(reply.status, 400)
})

test('calls a tool again once the user has spoken after its result', async () => {
  const result = { role: 'tool', tool_call_id: 'call_1', content: 'Sunny' }
  const answered = await ask(PATH, { ...chat, messages: [user, result], tools: [tool('a')] })
  assert.match(answered.json().choices[0].message.content, /The tool answered: "Sunny"/)
  const next = await ask(PATH, { ...chat, messages: [user, result, user], tools: [tool('a')] })
  assert.equal(next.json().choices[0].finish_reason, 'tool_calls')
})

test('quotes the beginning of a long text, never half a character', async () => {
  const content = [{ type: 'text', text: `${'x'.repeat(499)}😀${'y'.repeat(100)}` }]
  const { message } = (await ask(PATH, { ...chat, messages: [{ role: 'user', content }] })).json().choices[0]
  assert.ok(message.content.includes(`${'x'.repeat(499)}…"`))
})

test('json_object answers any object', async () => {
  const { message } = (await ask(PATH, { ...chat, response_format: { type: 'json_object' } })).json().choices[0]
  assert.match(JSON.parse(message.content).answer, /You said: "Hello"/)
})

test('counts everything that was sent', async () => {
  const tokens = async (body: object) => (await ask(PATH, { ...chat, ...body })).json().usage.prompt_tokens
  const base = await tokens({})
  const system = { role: 'system', content: 'Be brief' }
  const calls = {
    role: 'assistant',
    content: null,
    tool_calls: [{ id: 'c', type: 'function', function: { name: 'a', arguments: '{}' } }],
  }
  assert.equal(await tokens({ messages: [system, user] }), base + 2)
  assert.equal(await tokens({ messages: [user, calls, user] }), 2 * base + 2)
  assert.ok((await tokens({ tools: [tool('a')] })) > base)
})

test('ignores members it does not know', async () => {
  const reply = await ask(PATH, { ...chat, temperature: 'hot', audio: {}, n: null, tools: null, stream_options: null })
  assert.equal(reply.status, 200)
})
