import assert from 'node:assert/strict'
import { test } from 'node:test'
import { MAX_POLICIES, parsePolicies } from './parse-policies.ts'
import { showFault } from './policy.ts'

const ANY = 'permit (principal, action, resource);'

function faultsIn(text: string, file = 'own.cedar'): string[] {
  return parsePolicies([{ file, text }]).faults.map(showFault)
}

test('a policy has its id, its line, its effect and its text', () => {
  const text = `// permit (principal, action, resource);
@id("first")
${ANY}

// @id("second")
@description("Nobody at night.") @shadow
forbid (principal, action, resource)
when { true };`
  const { policies, faults } = parsePolicies([
    { file: 'a.cedar', text },
    { file: 'b.cedar', text: `\n\n${ANY}` },
  ])
  assert.deepEqual(faults, [])
  assert.deepEqual(
    policies.map(({ json: _, ...policy }) => policy),
    [
      {
        id: 'first',
        file: 'a.cedar',
        line: 2,
        effect: 'permit',
        shadow: false,
        shipped: false,
        description: null,
        text: `@id("first")\n${ANY}`,
      },
      {
        id: 'a.cedar#2',
        file: 'a.cedar',
        line: 6,
        effect: 'forbid',
        shadow: true,
        shipped: false,
        description: 'Nobody at night.',
        text: '@description("Nobody at night.") @shadow\nforbid (principal, action, resource)\nwhen { true };',
      },
      {
        id: 'b.cedar#1',
        file: 'b.cedar',
        line: 3,
        effect: 'permit',
        shadow: false,
        shipped: false,
        description: null,
        text: ANY,
      },
    ],
  )
})

test('policies keep the order of their file, however many there are', () => {
  const text = Array.from({ length: 120 }, (_, n) => `@id("p${n}") ${ANY}`).join('\n')
  const { policies } = parsePolicies([{ file: 'own.cedar', text }])
  assert.deepEqual(
    policies.map(({ id, line }) => [id, line]),
    Array.from({ length: 120 }, (_, n) => [`p${n}`, n + 1]),
  )
})

for (const [text, fault] of [
  ['\n\npermit (principal, act, resource);', /^own\.cedar:3: .*act/],
  [`${ANY}\npermit (principal`, /^own\.cedar:2: unexpected end of input/],
  ['@id("ä")\npermit (princípal, action, resource);', /^own\.cedar:2: /],
  ['permit (principal == ?principal, action, resource);', /^own\.cedar: has templates/],
  [`@id("a") ${ANY}\n@id("a") ${ANY}`, /^own\.cedar:2: policy "a": has the id of the one at own\.cedar:1$/],
  [`@id("ostiary.models") ${ANY}`, /policy "ostiary\.models": ids that begin with `ostiary\.`/],
  [`@id("") ${ANY}`, /its @id must be 1 to 64/],
  [`@id("a b") ${ANY}`, /its @id must be 1 to 64/],
  [`@id("a\\"b") ${ANY}`, /its @id must be 1 to 64/],
  [`@id ${ANY}`, /its @id must be 1 to 64/],
  [`@shadwo ${ANY}`, /policy "own\.cedar#1": @shadwo is not known/],
  [`@Shadow ${ANY}`, /@Shadow is not known/],
  [`@shadow("false") ${ANY}`, /@shadow has no value/],
  [
    'permit (principal, action, resource) when { context.time.toTime() < duration("1h") && 9007199254740993 > 1 };',
    /has a number beyond/,
  ],
  ['permit (principal, action, resource) when { -9223372036854775808 < 1 };', /has a number beyond/],
] as const) {
  test(`refuses ${JSON.stringify(text)}`, () => {
    const faults = faultsIn(text)
    assert.equal(faults.length, 1, faults.join('\n'))
    assert.match(faults[0] as string, fault)
  })
}

test('one id cannot be in two files', () => {
  const text = `@id("a") ${ANY}`
  const { faults } = parsePolicies([
    { file: 'a.cedar', text },
    { file: 'b.cedar', text },
  ])
  assert.deepEqual(faults.map(showFault), ['b.cedar:1: policy "a": has the id of the one at a.cedar:1'])
})

test('a file must have a name that can stand in an event', () => {
  assert.match(faultsIn(ANY, 'my policies.cedar')[0] as string, /^my policies\.cedar: rename the file/)
})

test('says what is wrong with each file at once', () => {
  const { faults } = parsePolicies([
    { file: 'a.cedar', text: 'permit' },
    { file: 'b.cedar', text: `@x ${ANY}` },
  ])
  assert.deepEqual(
    faults.map(({ file }) => file),
    ['a.cedar', 'b.cedar'],
  )
})

test(`reads ${MAX_POLICIES} policies and no more`, () => {
  const text = (count: number) => 'permit (principal, action, resource);\n'.repeat(count)
  assert.deepEqual(faultsIn(text(MAX_POLICIES)), [])
  assert.deepEqual(faultsIn(text(MAX_POLICIES + 1)), ['own.cedar: there are 2001 policies; at most 2000 may be'])
})
