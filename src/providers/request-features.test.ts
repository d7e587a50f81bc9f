import assert from 'node:assert/strict'
import { test } from 'node:test'
import { requestFeatures } from './request-features.ts'
import type { FormatName } from './wire-format.ts'

const user = (...content: object[]) => ({ messages: [{ role: 'user', content }] })
const items = (...content: object[]) => ({ input: [{ type: 'message', role: 'user', content }] })
const parts = (...parts: object[]) => ({ contents: [{ role: 'user', parts }] })

const cases: readonly (readonly [FormatName, object, readonly string[]])[] = [
  ['openai', { messages: [{ role: 'user', content: 'images, tools' }] }, []],
  ['openai', user({ type: 'text', text: 'x' }), []],
  ['openai', user({ type: 'text' }, { type: 'image_url', image_url: { url: 'x' } }), ['images']],
  ['openai', user({ type: 'input_audio' }, { type: 'file' }), ['audio', 'files']],
  ['openai', user({ type: 'hologram' }), ['other']],
  ['openai', user({ type: ['text'] }), ['other']],
  ['openai', user({ Type: 'image_url' }), ['other']],
  ['openai', { messages: [{ role: 'user', CONTENT: [{ type: 'image_url' }] }] }, ['other']],
  ['gemini', { contents: [{ Parts: [{ inlineData: {} }] }] }, ['other']],
  ['openai', user({ type: 'toString' }), ['other']],
  ['openai', { messages: [{ role: 'assistant', audio: { id: 'a' } }] }, ['audio']],
  [
    'openai',
    { ...user(), tools: [{ type: 'function', function: { name: 'f', parameters: { type: 'image' } } }] },
    ['tools'],
  ],
  ['openai', { ...user(), tools: [], functions: null }, []],
  ['openai', { ...user(), functions: [{ name: 'f' }] }, ['tools']],
  ['openai', { ...user(), tools: 'all' }, ['tools']],
  ['openai', { ...user(), tools: { type: 'function' } }, ['tools']],
  ['openai', { ...user(), web_search_options: {} }, ['web_search']],
  ['openai', { ...user(), modalities: ['text', 'audio'], audio: {} }, ['audio']],
  ['openai', { ...user(), modalities: ['smell'] }, ['other']],
  ['openai', { input: 'text' }, []],
  ['openai', { input: [[1, 2, 3]] }, []],
  ['openai', items({ type: 'input_text' }, { type: 'input_image' }, { type: 'input_file' }), ['files', 'images']],
  ['openai', { input: [{ type: 'function_call_output', output: [{ type: 'input_image' }] }] }, ['images']],
  ['openai', { input: [{ type: 'function_call_output', output: '{"type":"input_image"}' }] }, []],
  ['openai', { input: [{ type: 'computer_call_output' }] }, ['other']],
  ['openai', { input: 'x', tools: [{ type: 'web_search_preview' }, { type: 'mcp' }] }, ['tools', 'web_search']],
  ['anthropic', { messages: [{ role: 'user', content: 'x' }], system: 'y' }, []],
  ['anthropic', user({ type: 'image', source: { type: 'base64' } }), ['images']],
  [
    'anthropic',
    user({ type: 'document', source: { type: 'content', content: [{ type: 'image' }] } }),
    ['files', 'images'],
  ],
  ['anthropic', user({ type: 'tool_result', content: [{ type: 'image' }] }), ['images']],
  ['anthropic', user({ type: 'tool_use', input: { content: 'x', type: 'image' } }), []],
  ['anthropic', user({ type: 'text', cache_control: { type: 'ephemeral' } }), []],
  ['anthropic', { ...user(), system: [{ type: 'image' }] }, ['images']],
  ['anthropic', { ...user(), tools: [{ type: 'web_search_20250305' }] }, ['web_search']],
  ['anthropic', { ...user(), tools: [{ name: 'f', input_schema: {} }] }, ['tools']],
  ['anthropic', { ...user(), mcp_servers: [{ type: 'url' }] }, ['tools']],
  ['gemini', parts({ text: 'x', thought: true }), []],
  ['gemini', parts({ inlineData: { mimeType: 'image/png' } }), ['images']],
  ['gemini', parts({ inline_data: { mime_type: 'audio/wav' } }), ['audio']],
  ['gemini', parts({ fileData: { mimeType: 'video/mp4' } }, { file_data: {} }), ['files', 'video']],
  ['gemini', parts({ smell: 1 }), ['other']],
  ['gemini', { contents: { parts: { inlineData: { mimeType: 'image/png' } } } }, ['images']],
  ['gemini', { ...parts(), systemInstruction: { parts: [{ inlineData: {} }] } }, ['files']],
  [
    'gemini',
    parts({ functionResponse: { response: { parts: [1] }, parts: [{ inlineData: { mimeType: 'image/x' } }] } }),
    ['images'],
  ],
  ['gemini', parts({ functionCall: { args: { parts: [{ inlineData: {} }] } } }), []],
  ['gemini', { ...parts(), tools: [{ functionDeclarations: [] }] }, ['tools']],
  ['gemini', { ...parts(), tools: [{ google_search: {} }, { urlContext: {} }] }, ['web_search']],
  ['gemini', { ...parts(), tools: [{ googleSearch: {}, functionDeclarations: [] }] }, ['tools']],
  ['gemini', { ...parts(), generationConfig: { responseModalities: ['TEXT', 'IMAGE'] } }, ['images']],
]

for (const [format, body, features] of cases) {
  test(`${format}: ${JSON.stringify(body)} asks for ${features.join(', ') || 'text alone'}`, () => {
    assert.deepEqual(requestFeatures(format, body as Record<string, unknown>, false), features)
  })
}

test('streams are told of apart, by the route or the body', () => {
  assert.deepEqual(requestFeatures('openai', user({ type: 'file' }) as Record<string, unknown>, true), [
    'files',
    'stream',
  ])
})
