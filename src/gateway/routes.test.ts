import assert from 'node:assert/strict'
import type { IncomingHttpHeaders, IncomingMessage } from 'node:http'
import { test } from 'node:test'
import type { JsonObject } from '#http/strict-json.ts'
import { createServiceTable } from '#services/service-table.ts'
import { findRoute, type OperationRoute, type Route } from './routes.ts'

function find(request: string, headers: IncomingHttpHeaders = {}): Route {
  const [method, url] = request.split(' ')
  return findRoute({ method, url, headers } as IncomingMessage, createServiceTable([]))
}

/** id, model, format and whether it streams; or the problem and the format it is told in. */
function shape(route: Route): string {
  if (route.serves === 'nothing') return `${route.problem.code} (${route.format})`
  if (route.serves === 'models') return `${route.id} ${route.model ?? '-'} (${route.format})`
  if (route.serves === 'key' || route.serves === 'service' || route.serves === 'decision')
    return `${route.id} (${route.format})`
  const { streams } = route.operation
  return `${route.id} ${route.model ?? '-'} (${route.format})${streams === null ? '' : streams ? ' stream' : ' whole'}`
}

const table: Readonly<Record<string, string>> = {
  'POST /v1/chat/completions': 'openai.chat - (openai)',
  'POST /v1/responses': 'openai.responses - (openai)',
  'GET /ostiary/key': 'ostiary.key (problem+json)',
  'GET /ostiary/key?model=gpt': 'ostiary.key (problem+json)',
  'POST /ostiary/key': 'route.method_not_allowed (problem+json)',
  'GET /ostiary/keys': 'route.not_found (problem+json)',
  'POST /v1/embeddings': 'openai.embeddings - (openai)',
  'GET /v1/models': 'openai.models - (openai)',
  'GET /v1/models/gpt-5': 'openai.model gpt-5 (openai)',
  'GET /v1/models/org/model:tag': 'openai.model org/model:tag (openai)',
  'POST /v1/messages': 'anthropic.messages - (anthropic)',
  'POST /anthropic/v1/messages': 'anthropic.messages - (anthropic)',
  'GET /anthropic/v1/models': 'anthropic.models - (anthropic)',
  'GET /anthropic/v1/models/claude': 'anthropic.model claude (anthropic)',
  'POST /v1beta/models/g-1:generateContent': 'gemini.generate g-1 (gemini) whole',
  'POST /v1beta/models/g-1%3AgenerateContent': 'gemini.generate g-1 (gemini) whole',
  'POST /v1beta/models/g-1:streamGenerateContent?alt=sse': 'gemini.stream g-1 (gemini) stream',
  'POST /v1beta/models/a:b:generateContent': 'gemini.generate a:b (gemini) whole',
  'POST /v1/models/g-1:generateContent': 'gemini.generate g-1 (gemini) whole',
  'POST /v1/models/g-1:streamGenerateContent': 'gemini.stream g-1 (gemini) stream',
  'GET /v1beta/models': 'gemini.models - (gemini)',
  'GET /v1beta/models/g-1': 'gemini.model g-1 (gemini)',

  'GET /v1/chat/completions': 'route.method_not_allowed (openai)',
  'POST /v1/models': 'route.method_not_allowed (openai)',
  'DELETE /v1/models/ft': 'route.method_not_allowed (openai)',
  'PUT /v1/messages': 'route.method_not_allowed (anthropic)',
  'GET /v1beta/models/g-1:generateContent': 'route.method_not_allowed (gemini)',
  'POST /v1beta/models/:generateContent': 'route.method_not_allowed (gemini)',

  'GET /': 'route.not_found (problem+json)',
  'GET /healthz': 'route.not_found (problem+json)',
  'POST /v1/nothing': 'route.not_found (openai)',
  'POST /v1/chat': 'route.not_found (openai)',
  'POST /V1/chat/completions': 'route.not_found (problem+json)',
  'POST /v1/chat/Completions': 'route.not_found (openai)',
  'POST /v1/chat/completions;x=1': 'route.not_found (openai)',
  'POST /v1/messages/count_tokens': 'route.not_found (anthropic)',
  'POST /anthropic/v2': 'route.not_found (anthropic)',
  'POST /v1beta/nothing': 'route.not_found (gemini)',
  'POST /v1/constructor': 'route.not_found (openai)',

  'GET /v1/files': 'route.stateful_operation (openai)',
  'GET /v1/files/file_1/content': 'route.stateful_operation (openai)',
  'POST /v1/batches': 'route.stateful_operation (openai)',
  'GET /v1/responses/resp_1': 'route.stateful_operation (openai)',
  'DELETE /v1/responses/resp_1': 'route.stateful_operation (openai)',
  'GET /v1/chat/completions/chatcmpl_1': 'route.stateful_operation (openai)',
  'POST /v1/conversations': 'route.stateful_operation (openai)',
  'POST /v1/containers/c/files': 'route.stateful_operation (openai)',
  'GET /v1/vector_stores/v': 'route.stateful_operation (openai)',
  'POST /v1/threads': 'route.stateful_operation (openai)',
  'GET /v1/fine_tuning/jobs': 'route.stateful_operation (openai)',
  'POST /v1/messages/batches': 'route.stateful_operation (anthropic)',
  'GET /anthropic/v1/messages/batches/b/results': 'route.stateful_operation (anthropic)',
  'POST /anthropic/v1/files': 'route.stateful_operation (anthropic)',
  'GET /v1beta/files/f': 'route.stateful_operation (gemini)',
  'POST /upload/v1beta/files': 'route.stateful_operation (gemini)',
  'POST /v1beta/cachedContents': 'route.stateful_operation (gemini)',
  'GET /v1beta/fileSearchStores/s': 'route.stateful_operation (gemini)',

  'POST /v1/../v1/chat/completions': 'request.invalid_path (problem+json)',
  'POST /v1/chat%2fcompletions': 'request.invalid_path (problem+json)',
  'POST //v1/chat/completions': 'request.invalid_path (problem+json)',
  'POST /v1/chat/completions/': 'request.invalid_path (problem+json)',
  'POST http://evil/v1/chat/completions': 'request.invalid_path (problem+json)',
  'OPTIONS *': 'request.invalid_path (problem+json)',
  'GET /v1/models/': 'request.invalid_path (problem+json)',
}

for (const [request, expected] of Object.entries(table)) {
  test(`${request}: ${expected}`, () => assert.equal(shape(find(request)), expected))
}

test('one path lists models in each dialect, as the client’s headers say', () => {
  const headers = { 'anthropic-version': '2023-06-01' }
  assert.equal(find('GET /v1/models', { 'x-goog-api-client': 'google-genai-sdk/3' }).format, 'gemini')
  assert.equal(find('GET /v1/models/g', { 'x-goog-api-key': 'k' }).format, 'gemini')
  assert.equal(find('GET /v1/models', headers).format, 'anthropic')
  assert.equal(find('GET /v1/models/claude', headers).format, 'anthropic')
  assert.equal(find('POST /v1/chat/completions', headers).format, 'openai')
  assert.equal(find('GET /v1beta/models', headers).format, 'gemini')
})

test('a wrong method is told which ones are right', () => {
  for (const [request, allow] of [
    ['GET /v1/chat/completions', 'POST'],
    ['POST /v1/models', 'GET'],
    ['PATCH /v1/models/a', 'GET'],
  ] as const) {
    const route = find(request)
    assert.ok(route.serves === 'nothing')
    assert.deepEqual(route.problem.headers, { allow })
  }
})

test('keeps the canonical path and the raw query', () => {
  const { path, query } = find('POST /v1/%63hat/completions?a=%2F')
  assert.deepEqual([path, query], ['/v1/chat/completions', 'a=%2F'])
})

const bodies: Readonly<Record<string, { readonly good: readonly JsonObject[]; readonly bad: readonly JsonObject[] }>> =
  {
    'POST /v1/chat/completions': {
      good: [
        { model: 'm', messages: [] },
        { model: 'm', messages: [{}], stream: true, anything: { new: 1 } },
        { model: 'm', messages: [], stream: null },
      ],
      bad: [
        {},
        { messages: [] },
        { model: 'm' },
        { model: '', messages: [] },
        { model: 1, messages: [] },
        { model: null, messages: [] },
        { model: ['m'], messages: [] },
        { model: 'x'.repeat(257), messages: [] },
        { model: 'm', messages: 'hi' },
        { model: 'm', messages: [], stream: 'true' },
        { model: 'm', messages: [], stream: 1 },
      ],
    },
    'POST /v1/responses': {
      good: [{ model: 'm' }, { model: 'm', input: 'hi' }, { model: 'm', input: [{}], stream: false }],
      bad: [{ input: 'hi' }, { model: 'm', input: {} }, { model: 'm', stream: 'yes' }],
    },
    'POST /v1/embeddings': {
      good: [
        { model: 'm', input: 'a' },
        { model: 'm', input: ['a', [1, 2]] },
      ],
      bad: [{ model: 'm' }, { model: 'm', input: 1 }],
    },
    'POST /v1/messages': {
      good: [{ model: 'm', messages: [{}], max_tokens: 1 }],
      bad: [{ model: 'm' }, { messages: [] }],
    },
    'POST /v1beta/models/m:generateContent': {
      good: [{ contents: [] }, { contents: {} }],
      bad: [{}, { contents: 'hi' }],
    },
  }

for (const [request, { good, bad }] of Object.entries(bodies)) {
  const { operation } = find(request) as OperationRoute
  test(`${request} takes bodies that fit it, with members that it does not know`, () => {
    for (const body of good) operation.checkBody(body)
  })
  for (const body of bad) {
    test(`${request} refuses ${JSON.stringify(body).slice(0, 60)}`, () => {
      assert.throws(() => operation.checkBody(body), {
        name: 'Problem',
        code: 'request.invalid_body',
        message: /^(The body|`)/,
      })
    })
  }
}
