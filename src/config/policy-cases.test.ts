import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Compile } from 'typebox/schema'
import { readCases } from './policy-cases.ts'
import { policyCasesSchema } from './schema-policy-cases.ts'

const good = `cases:
  - name: an editor edits
    principal: { kind: key }
    actions: [openai.chat]
    models: [gpt-5]
    expect: allow
`

test('a case has defaults: a live key of the default project, at noon, from this machine', () => {
  const { cases } = readCases('a.yaml', good)
  assert.deepEqual(cases, [
    {
      name: 'an editor edits',
      principal: { kind: 'key', project: 'proj_default', environment: 'live', roles: [], tags: {} },
      actions: ['openai.chat'],
      models: ['gpt-5'],
      context: { ip: '127.0.0.1', time: '2026-01-01T12:00:00Z', features: [] },
      expect: 'allow',
    },
  ])
})

test('a case knows where it is written', () => {
  const { faults } = readCases('a.yaml', good)
  assert.equal(faults.where(['cases', '0', 'name']), 'a.yaml:2:5')
})

const wrong: readonly (readonly [what: string, text: string, said: string])[] = [
  ['nothing', '', 'a.yaml: must be a mapping of members'],
  ['no YAML', 'cases: [', 'a.yaml:1:9: not valid YAML'],
  ['no cases', 'cases: []\n', 'a.yaml:1:1: cases: has no case: nothing would be tested'],
  ['cases that are none', 'cases: 3\n', 'a.yaml:1:1: cases: must be a list'],
  ['another member', `${good}case: []\n`, 'a.yaml:7:1: case: unknown member; did you mean "cases"?'],
  [
    'a misspelt member',
    good.replace('expect:', 'expects:'),
    'a.yaml:6:5: cases[0].expects: unknown member; did you mean "expect"?',
  ],
  [
    'no expectation',
    good.replace('    expect: allow\n', ''),
    'cases[0].expect: is missing: must be one of "allow", "deny"',
  ],
  [
    'another expectation',
    good.replace('allow', 'allowed'),
    'cases[0].expect: must be one of "allow", "deny"; did you mean "allow"?',
  ],
  ['no principal', good.replace('    principal: { kind: key }\n', ''), 'cases[0].principal.kind: is missing'],
  ['another kind', good.replace('kind: key', 'kind: apikey'), 'must be one of "key", "user", "service"'],
  [
    'a misspelt role member',
    good.replace('kind: key', 'kind: key, role: [a]'),
    'unknown member; did you mean "roles"?',
  ],
  ['no action', good.replace('[openai.chat]', '[]'), 'cases[0].actions: names no action: nothing would be tested'],
  ['an action that is no list', good.replace('[openai.chat]', 'openai.chat'), 'cases[0].actions: must be a list'],
  ['an action twice', good.replace('[openai.chat]', '[openai.chat, openai.chat]'), 'must not name an entry twice'],
  ['a member twice', `${good}    expect: deny\n`, 'a.yaml:7:5: the member is written twice'],
  ['a case twice', good + good.replace('cases:\n', ''), 'cases[1].name: is the name of another case of the file'],
  ['a cause of what is allowed', `${good}    because: scope\n`, 'cases[0].because: must not be set'],
  ['another cause', `${good.replace('allow', 'deny')}    because: scopes\n`, 'did you mean "scope"?'],
  ['no policy that allows', `${good}    by: []\n`, 'cases[0].by: names no policy'],
  [
    'a policy that a ceiling makes mute',
    `${good.replace('allow', 'deny')}    because: scope\n    by: [a]\n`,
    'cases[0].by: must not be set',
  ],
  ['a time without a zone', `${good}    context: { time: '2026-01-01T12:00:00' }\n`, 'must be a time with its zone'],
  ['a day that there is not', `${good}    context: { time: '2026-13-01T12:00:00Z' }\n`, 'must be a time with its zone'],
  ['no address', `${good}    context: { ip: 10.0.0.300 }\n`, 'must be an IP address'],
  ['a span without a unit', good.replace('kind: key', 'kind: key, authenticatedAgo: 5'), 'must be a span such as'],
  ['a document too large', `${good}${'# x\n'.repeat(300_000)}`, 'is larger than 1 MiB'],
]
for (const [what, text, said] of wrong) {
  test(`${what} is refused with its place`, () => {
    assert.throws(
      () => readCases('a.yaml', text),
      (error: { code: string; detail: string }) => {
        assert.equal(error.code, 'policy.cases_invalid')
        assert.ok(error.detail.includes(said), error.detail)
        assert.match(error.detail, /^a\.yaml/)
        return true
      },
    )
  })
}

test('names all that is wrong at once', () => {
  const text = `${good.replace('key', 'kee').replace('allow', 'maybe')}    bye: []\n`
  assert.throws(
    () => readCases('a.yaml', text),
    (error: { detail: string }) => error.detail.split('\n').length === 3,
  )
})

test('the schema is JSON Schema that fits what it describes', () => {
  const validator = Compile(JSON.parse(JSON.stringify(policyCasesSchema)) as never)
  const { cases } = readCases('a.yaml', good)
  assert.ok(validator.Check({ cases }))
  assert.ok(!validator.Check({ cases: [{ ...cases[0], expect: 'maybe' }] }))
})
