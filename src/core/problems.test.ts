import assert from 'node:assert/strict'
import { STATUS_CODES } from 'node:http'
import { test } from 'node:test'
import { Problem, type ProblemCode, problemTypes, toProblemJson } from './problems.ts'

const codes = Object.keys(problemTypes) as ProblemCode[]

for (const code of codes) {
  test(`${code} has a status, a title and a help line of the right form`, () => {
    const { status, title, help } = problemTypes[code]
    assert.match(code, /^[a-z]+\.[a-z]+(_[a-z]+)*$/)
    assert.ok(status === null || (status >= 400 && STATUS_CODES[status] !== undefined), `${status}`)
    assert.match(title, /^[A-Z].*[^.!?\s]$/)
    assert.match(help, /^[A-Z`].*[.`]$/)
    assert.doesNotMatch(title + help, /\n| {2}|[']/, 'one line, typographic apostrophes')
  })
}

test('no two codes share a title', () => {
  assert.equal(new Set(codes.map(code => problemTypes[code].title)).size, codes.length)
})

test('never shows the reason, the credential, the cause or further headers to the caller', () => {
  const hidden = {
    reason: 'hidden-reason',
    credential: 'hidden-credential',
    cause: new Error('hidden-cause'),
    headers: { 'x-hidden': 'hidden-header' },
  }
  for (const code of codes) {
    const json = toProblemJson(new Problem(code, { detail: 'Shown.', ...hidden }), 'req_1')
    assert.doesNotMatch(JSON.stringify(json), /hidden/)
    assert.deepEqual(Object.keys(json).sort(), ['code', 'detail', 'request_id', 'status', 'title', 'type'])
  }
})

test('is problem+json as RFC 9457 says', () => {
  assert.deepEqual(JSON.parse(JSON.stringify(toProblemJson(new Problem('key.not_found'), 'req_1'))), {
    type: 'urn:ostiary:problem:key.not_found',
    title: problemTypes['key.not_found'].title,
    status: 404,
    code: 'key.not_found',
    request_id: 'req_1',
  })
})

test('is an error whose message is its detail, else its title', () => {
  assert.equal(new Problem('key.not_found', { detail: 'No such.' }).message, 'No such.')
  const problem = new Problem('key.not_found')
  assert.equal(problem.message, problem.title)
  assert.ok(problem instanceof Error)
})

test('leaves the stack traces of other errors as they were', () => {
  const before = Error.stackTraceLimit
  new Problem('key.not_found')
  assert.equal(Error.stackTraceLimit, before)
})
