import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { applyEdits, setMember } from './json-members.ts'
import { parseStrictJson } from './strict-json.ts'

const set = (text: string, path: string[], value: string) => {
  const body = Buffer.from(text)
  return applyEdits(body, [setMember(body, path, value)]).toString()
}

for (const [what, text, path, expected] of [
  ['puts a new member first', ' { "b" : 2 }', ['a'], ' {"a":7, "b" : 2 }'],
  ['fills an empty object', '{"o":{ }}', ['o', 'a'], '{"o":{"a":7 }}'],
  ['replaces a number', '{"a": -1.5e3 ,"b":1}', ['a'], '{"a": 7 ,"b":1}'],
  ['replaces a last value', '{"a":null}', ['a'], '{"a":7}'],
  ['replaces a string with brackets and quotes', '{"a":"x\\"}]\\\\","b":1}', ['a'], '{"a":7,"b":1}'],
  ['replaces an object with brackets in strings', '{"a":{"x":["}"]},"b":1}', ['a'], '{"a":7,"b":1}'],
  ['finds a name that is escaped', '{"\\u0061":1}', ['a'], '{"\\u0061":7}'],
  [
    'takes no name of another depth',
    '{"o":{"a":1},"l":[{"a":1}],"s":"a"}',
    ['a'],
    '{"a":7,"o":{"a":1},"l":[{"a":1}],"s":"a"}',
  ],
  ['takes no value for a name', '{"x":"a","y":":"}', ['a'], '{"a":7,"x":"a","y":":"}'],
  ['goes down by an escaped name', '{"x":{},"\\u006f":{"a":true}}', ['o', 'a'], '{"x":{},"\\u006f":{"a":7}}'],
] as const) {
  test(what, () => assert.equal(set(text, [...path], '7'), expected))
}

test('any member of any object: the value is set, and nothing else is touched', () => {
  const name = fc.constantFrom('a', 'b', 'c"', '\\', 'ü', '😀', 'a:b', '{', '')
  const accepted = fc.jsonValue({ maxDepth: 3 }).filter(value => !JSON.stringify(value).includes('__proto__'))
  const object = fc.dictionary(name, accepted, { maxKeys: 6 })
  fc.assert(
    fc.property(object, name, fc.constantFrom(0, 1, '\t'), (before, member, space) => {
      const body = Buffer.from(JSON.stringify(before, null, space))
      const after = applyEdits(body, [setMember(body, [member], '"set"')])
      const { value } = parseStrictJson(after, 64)
      assert.deepEqual(value, JSON.parse(JSON.stringify({ ...before, [member]: 'set' })))
    }),
    { numRuns: 2000 },
  )
})

test('several edits at one place follow each other, and leave the bytes between them alone', () => {
  const body = Buffer.from('{"m":"a","o":{"x":1}}')
  const edits = [
    setMember(body, ['p'], '1'),
    setMember(body, ['q'], '2'),
    setMember(body, ['o', 'y'], '3'),
    setMember(body, ['m'], '"b"'),
  ]
  assert.equal(applyEdits(body, edits).toString(), '{"p":1,"q":2,"m":"b","o":{"y":3,"x":1}}')
  assert.equal(applyEdits(body, []), body)
})
