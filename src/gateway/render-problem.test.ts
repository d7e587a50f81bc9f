import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Problem, type ProblemCode, problemTypes } from '#core/problems.ts'
import { renderProblem, renderStreamError } from './render-problem.ts'
import type { ProblemFormat } from './routes.ts'

const formats: readonly ProblemFormat[] = ['openai', 'anthropic', 'gemini', 'problem+json']
const codes = (Object.keys(problemTypes) as ProblemCode[]).filter(code => problemTypes[code].status !== null)
const ID = 'req_1'

function render(format: ProblemFormat, code: ProblemCode, detail?: string) {
  const hidden = {
    reason: 'hidden',
    credential: 'hidden',
    cause: new Error('hidden'),
    headers: { 'x-hidden': 'hidden' },
  }
  const problem = new Problem(code, detail === undefined ? hidden : { detail, ...hidden })
  const { contentType, body } = renderProblem(format, problem, ID)
  assert.doesNotMatch(body, /hidden/)
  return { contentType, json: JSON.parse(body) }
}

/** What the anthropic SDKs know, by status (wire conventions). */
const anthropicTypes: Readonly<Record<number, string>> = {
  400: 'invalid_request_error',
  401: 'authentication_error',
  402: 'billing_error',
  403: 'permission_error',
  404: 'not_found_error',
  405: 'invalid_request_error',
  408: 'invalid_request_error',
  409: 'invalid_request_error',
  412: 'invalid_request_error',
  413: 'request_too_large',
  415: 'invalid_request_error',
  421: 'invalid_request_error',
  429: 'rate_limit_error',
  431: 'invalid_request_error',
  500: 'api_error',
  502: 'api_error',
  503: 'overloaded_error',
  504: 'timeout_error',
}

const geminiStatuses: Readonly<Record<number, string>> = {
  401: 'UNAUTHENTICATED',
  402: 'RESOURCE_EXHAUSTED',
  403: 'PERMISSION_DENIED',
  404: 'NOT_FOUND',
  429: 'RESOURCE_EXHAUSTED',
  500: 'INTERNAL',
  502: 'UNAVAILABLE',
  503: 'UNAVAILABLE',
  504: 'DEADLINE_EXCEEDED',
}

const openaiCodes: Partial<Record<ProblemCode, string>> = {
  'auth.invalid_credential': 'invalid_api_key',
  'model.not_found': 'model_not_found',
  'limits.rate_exceeded': 'rate_limit_exceeded',
  'budget.exhausted': 'insufficient_quota',
}

for (const code of codes) {
  const { status, title } = problemTypes[code]
  test(`${code} in OpenAI’s words`, () => {
    const { contentType, json } = render('openai', code, 'The detail.')
    assert.equal(contentType, 'application/json')
    const { type, ...error } = json.error
    assert.deepEqual(Object.keys(json), ['error'])
    assert.deepEqual(error, { message: `${title}: The detail.`, param: null, code: openaiCodes[code] ?? code })
    const expected =
      { 401: 'authentication_error', 403: 'permission_error', 429: 'rate_limit_error' }[status as number] ??
      ((status as number) >= 500 ? 'server_error' : 'invalid_request_error')
    assert.equal(type, expected)
  })

  test(`${code} in Anthropic’s words`, () => {
    const { contentType, json } = render('anthropic', code, 'The detail.')
    assert.equal(contentType, 'application/json')
    assert.deepEqual(json, {
      type: 'error',
      error: { type: anthropicTypes[status as number] ?? 'invalid_request_error', message: `${title}: The detail.` },
      request_id: ID,
    })
  })

  test(`${code} in Gemini’s words`, () => {
    const { contentType, json } = render('gemini', code, 'The detail.')
    assert.equal(contentType, 'application/json')
    const { details, ...error } = json.error
    assert.deepEqual(error, {
      code: status,
      message: `${title}: The detail.`,
      status: geminiStatuses[status as number] ?? 'INVALID_ARGUMENT',
    })
    assert.match(details[0].reason, /^[A-Z]+_[A-Z_]+$/)
    assert.deepEqual(details[0].metadata, { request_id: ID })
  })

  test(`${code} as RFC 9457 says`, () => {
    const { contentType, json } = render('problem+json', code, 'The detail.')
    assert.equal(contentType, 'application/problem+json')
    assert.deepEqual(json, {
      type: `urn:ostiary:problem:${code}`,
      title,
      status,
      detail: 'The detail.',
      code,
      request_id: ID,
    })
  })
}

test('without a detail the message is the title', () => {
  const { title } = problemTypes['upstream.timeout']
  assert.equal(render('openai', 'upstream.timeout').json.error.message, `${title}.`)
  assert.equal(render('problem+json', 'upstream.timeout').json.detail, undefined)
})

for (const format of formats) {
  test(`the error event of ${format} is one event whose data is the error’s body`, () => {
    const problem = new Problem('upstream.broken', { detail: 'line\n\nbreak', reason: 'hidden' })
    const text = renderStreamError(format, problem, ID)
    const [event = '', ...more] = text.split(/\r?\n\r?\n/)
    assert.deepEqual(more, [''])
    const fields = event.split(/\r?\n/).map(line => line.split(/: (.*)/s).slice(0, 2))
    const names = format === 'anthropic' ? ['event', 'data'] : ['data']
    assert.deepEqual(
      fields.map(([name]) => name),
      names,
    )
    if (format === 'anthropic') assert.equal(fields[0]?.[1], 'error')
    const json = JSON.parse(fields.at(-1)?.[1] ?? '')
    assert.deepEqual(json, JSON.parse(renderProblem(format === 'problem+json' ? 'openai' : format, problem, ID).body))
  })
}
