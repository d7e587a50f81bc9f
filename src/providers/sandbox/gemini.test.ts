import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ask } from './exchange-under-test.ts'

const contents = [{ role: 'user', parts: [{ text: 'Hello' }] }]
const path = (method: string) => `/v1beta/models/gemini-x:${method}`

test('frames server-sent events with carriage returns', async () => {
  const { headers, chunks } = await ask(path('streamGenerateContent?alt=sse'), { contents })
  assert.equal(headers['content-type'], 'text/event-stream')
  assert.equal(chunks.length, 5)
  assert.ok(chunks.every(chunk => /^data: \{.+\}\r\n\r\n$/.test(chunk)))
})

test('without alt=sse, streams one JSON array', async () => {
  for (const query of ['', '?alt=json', '?key=sse']) {
    const { headers, chunks, json } = await ask(path(`streamGenerateContent${query}`), { contents })
    assert.equal(headers['content-type'], 'application/json; charset=UTF-8')
    assert.equal(chunks.length, 5)
    const array = json()
    assert.equal(array.length, 5)
    assert.equal(array.at(-1).candidates[0].finishReason, 'STOP')
  }
})

test('usage grows and ends as that of the plain answer', async () => {
  const plain = (await ask(path('generateContent'), { contents })).json()
  const streamed = (await ask(path('streamGenerateContent?alt=sse'), { contents })).events()
  const counts = streamed.map(event => event.usageMetadata.candidatesTokenCount)
  assert.ok(counts.slice(0, -1).every((count, i) => count > (counts[i - 1] ?? 0)))
  assert.deepEqual(streamed.at(-1).usageMetadata, plain.usageMetadata)
  const text = streamed.map(event => event.candidates[0].content.parts[0].text).join('')
  assert.equal(text, plain.candidates[0].content.parts[0].text)
})

test('a streamed function call comes whole', async () => {
  const tools = [{ functionDeclarations: [{ name: 'f', parameters: { type: 'OBJECT' } }] }]
  const array = (await ask(path('streamGenerateContent'), { contents, tools })).json()
  assert.equal(array.length, 1)
  assert.deepEqual(array[0].candidates[0].content.parts, [{ functionCall: { name: 'f', args: {} } }])
})

test('takes names in snake case too, but leaves the caller’s own names alone', async () => {
  const parameters = { type: 'OBJECT', properties: { in_city: { type: 'STRING' } }, required: ['in_city'] }
  const called = await ask(path('generateContent'), {
    contents,
    tools: [{ function_declarations: [{ name: 'f', parameters }] }],
  })
  assert.deepEqual(called.json().candidates[0].content.parts[0].functionCall.args, { in_city: 'sandbox' })
  const cut = await ask(path('generateContent'), { contents, generation_config: { max_output_tokens: 2 } })
  assert.equal(cut.json().candidates[0].finishReason, 'MAX_TOKENS')
})

test('mode NONE calls nothing', async () => {
  const tools = [{ functionDeclarations: [{ name: 'f' }] }]
  const toolConfig = { functionCallingConfig: { mode: 'NONE' } }
  const { candidates } = (await ask(path('generateContent'), { contents, tools, toolConfig })).json()
  assert.match(candidates[0].content.parts[0].text, /You said: "Hello"/)
})
