import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import type { Problem, ProblemCode } from '#core/problems.ts'
import { parseStrictBody, parseStrictJson } from './strict-json.ts'

const DEPTH = 8
const parse = (text: string | Buffer) => parseStrictJson(Buffer.from(text as string), DEPTH)

const refused: Partial<Record<ProblemCode, Readonly<Record<string, string | Buffer>>>> = {
  'request.duplicate_member': {
    'at the top': '{"a":1,"a":2}',
    'with equal values': '{"a":1,"a":1}',
    'not adjacent': '{"a":1,"b":2,"a":3}',
    'three times': '{"a":1,"a":2,"a":3}',
    'of the model': '{"model":"a","messages":[],"model":"b"}',
    'in an object': '{"a":{"b":{"c":1,"c":2}}}',
    'in an array': '{"a":[1,[{"c":1,"c":2}]]}',
    'in an object that is overwritten': '{"a":{"b":1,"b":2},"a":0}',
    'by a simple escape': '{"a/b":1,"a\\/b":2}',
    'by a Unicode escape': '{"model":1,"\\u006dodel":2}',
    'by an escape in other case': '{"\\u00e4":1,"\\u00E4":2}',
    'by an escaped surrogate pair': '{"😀":1,"\\ud83d\\ude00":2}',
    'with an empty name': '{"":1,"":2}',
    'with a name like an index': '{"0":1,"0":2}',
    'of constructor': '{"constructor":1,"constructor":2}',
    'beside colons in strings': '{"a:":":","b":":","b":"::"}',
  },
  'request.forbidden_member': {
    'at the top': '{"__proto__":{}}',
    'with a harmless value': '{"__proto__":null}',
    'in an array': '{"a":[{"__proto__":{"x":1}}]}',
    escaped: '{"\\u005f_proto\\u005F_":{}}',
  },
  'request.too_deep': {
    'of objects': `${'{"a":'.repeat(DEPTH + 1)}1${'}'.repeat(DEPTH + 1)}`,
    'of arrays': `{"a":${'['.repeat(DEPTH)}${']'.repeat(DEPTH)}}`,
    'that never ends': '{"a":['.repeat(50_000),
  },
  'request.not_json': {
    'for an empty body': '',
    'for white space': ' \r\n\t',
    'for an open object': '{"a":1',
    'for an open string': '{"a',
    'for an open escape': '{"a\\',
    'for a second value': '{} {}',
    'for a trailing comma': '{"a":1,}',
    'for single quotes': "{'a':1}",
    'for a comment': '{"a":1/*"*/}',
    'for NaN': '{"a":NaN}',
    'for a bare control character in a string': '{"a":"\n"}',
    'for a byte-order mark': '\ufeff{}',
    'for a NUL after the object': '{}\0',
    'for closing brackets first': ']]]]{"a":1}',
    'for bytes that are not UTF-8': Buffer.from('7b2261223a22ff227d', 'hex'),
    'for overlong UTF-8': Buffer.from('7b2261223a22c0af227d', 'hex'),
    'for a surrogate in UTF-8': Buffer.from('7b2261223a22eda080227d', 'hex'),
    'for UTF-16': Buffer.from('{"a":1}', 'utf16le'),
  },
  'request.invalid_body': {
    'for an array': '[{"model":"a"}]',
    'for a string': '"model"',
    'for a number': '1',
    'for null': 'null',
  },
}

for (const [code, bodies] of Object.entries(refused)) {
  for (const [what, body] of Object.entries(bodies)) {
    test(`answers ${code} ${what}`, () => assert.throws(() => parse(body), { name: 'Problem', code }))
  }
}

test('reads JSON as JSON.parse does', () => {
  for (const text of [
    '{}',
    ' \r\n\t{ } ',
    '{"a":{"b":[1,-2.5e3,true,false,null,"x"]},"":""}',
    '{"a":{"x":1},"b":{"x":1}}',
    '{"a":[{"x":1},{"x":1}]}',
    '{"a":"{[\\"b\\":1,\\"b\\":2]}","c":"::::"}',
    '{"constructor":{"prototype":{"x":1}},"toString":1,"hasOwnProperty":2}',
    '{"a":"\\ud800","b":"ü😀"}',
    '{"model ":1,"Äodel":2}',
  ]) {
    assert.deepEqual(parse(text).value, JSON.parse(text))
  }
})

test('takes nesting up to the bound', () => {
  const inner = DEPTH - 1
  assert.deepEqual(Object.keys(parse(`{"a":${'['.repeat(inner)}${']'.repeat(inner)}}`).value), ['a'])
})

test('pollutes no prototype', () => {
  for (const body of ['{"__proto__":{"polluted":1}}', '{"constructor":{"prototype":{"polluted":1}}}']) {
    try {
      Object.assign({}, parse(body).value)
    } catch {}
    assert.equal(({} as Record<string, unknown>).polluted, undefined)
  }
})

test('sees a closing quote behind escapes at every alignment where walking turns into searching', () => {
  for (let length = 0; length < 140; length++) {
    for (const tail of [
      '',
      '\\"',
      '\\\\',
      '\\\\\\"',
      '\\\\\\\\',
      '\\"\\"',
      '\\u0022',
      '\\":1,\\"x',
      `\\"${'y'.repeat(70)}\\"`,
    ]) {
      const text = `${'x'.repeat(length)}${tail}`
      const body = `{"a":"${text}","b":{"model":"decoy"},"model":"${text}m"}`
      const { value, model } = parse(body)
      assert.deepEqual(value, JSON.parse(body))
      assert.equal(model && body.slice(model.start, model.end), `"${text}m"`)
      assert.throws(() => parse(`{"${text}":1,"${text}":2}`), { code: 'request.duplicate_member' })
    }
  }
})

const models: readonly (readonly [body: string, model: string | null])[] = [
  ['{"model":"a"}', '"a"'],
  ['{"model" \t\r\n:\n\r\t "a" , "b":1}', '"a"'],
  ['{"b":1,"model":"a"}', '"a"'],
  ['{"model":""}', '""'],
  ['{"model":"a\\"b\\\\"}', '"a\\"b\\\\"'],
  ['{"model":"ü😀"}', '"ü😀"'],
  ['{"\\u006d\\u006f\\u0064\\u0065\\u006c":"a"}', '"a"'],
  ['{"mod\\u0065l":"a"}', '"a"'],
  ['{"model":"model"}', '"model"'],
  ['{"x":"model","model":"a"}', '"a"'],
  ['{"x":"\\"model\\":\\"no\\"","model":"a"}', '"a"'],
  ['{"a":{"model":"no"}}', null],
  ['{"a":[{"model":"no"}],"model":"yes","b":{"model":"no"}}', '"yes"'],
  ['{"a":"model"}', null],
  ['{"Xmodel":"no","modelX":"no","mode":"no"}', null],
  ['{"model":1}', null],
  ['{"model":null}', null],
  ['{"model":{"model":"no"}}', null],
  ['{"model":["a"]}', null],
]

for (const [body, expected] of models) {
  test(`finds where ${body} names its model`, () => {
    const range = parse(body).model
    assert.equal(range && Buffer.from(body).subarray(range.start, range.end).toString(), expected)
  })
}

for (const body of [
  '{"model":"a","Model":"b"}',
  '{"MODEL":"b","model":"a"}',
  '{"model":"a","mod\\u0045l":"b"}',
  '{"meſſages":[]}',
]) {
  test(`refuses a second model in another case, which some parsers take for the same (Go, .NET): ${body}`, () => {
    assert.throws(() => parseStrictBody(Buffer.from(body), DEPTH), { code: 'request.duplicate_member' })
    assert.ok(parse(body).value, 'in other JSON names are as they are')
  })
}

test('finds the range of the model in any JSON object', () => {
  const accepted = fc.jsonValue({ maxDepth: 3 }).filter(value => !JSON.stringify(value).includes('__proto__'))
  fc.assert(
    fc.property(accepted, fc.string({ unit: 'binary' }), fc.nat(4), (other, name, indent) => {
      const body = Buffer.from(JSON.stringify({ other, model: name.toWellFormed(), more: [other] }, null, indent))
      const { model } = parseStrictJson(body, 64)
      assert.equal(model && JSON.parse(body.subarray(model.start, model.end).toString()), name.toWellFormed())
    }),
  )
})

interface Source {
  readonly text: string
  readonly repeats: boolean
  readonly forbidden: boolean
}

const nameText = fc.constantFrom(
  '"a"',
  '"\\u0061"',
  '"b"',
  '"a:"',
  '"\\""',
  '"__proto__"',
  '"\\u005f_proto__"',
  '""',
  '"{"',
)
const stringText = fc.string({ unit: 'binary', maxLength: 40 }).map(text => JSON.stringify(text.toWellFormed()))
const space = fc.constantFrom('', ' ', '\n', '\t ')

/** JSON texts with what a naive reader knows of them: whether names repeat in one object. */
const { value: anyValue } = fc.letrec<{ value: Source; object: Source }>(tie => ({
  value: fc.oneof(
    { maxDepth: 4 },
    fc
      .oneof(stringText, fc.constantFrom('1', 'null', '-0.5e1'))
      .map(text => ({ text, repeats: false, forbidden: false })),
    tie('object'),
    fc.array(tie('value'), { maxLength: 3 }).map(items => ({
      text: `[${items.map(({ text }) => text).join(',')}]`,
      repeats: items.some(({ repeats }) => repeats),
      forbidden: items.some(({ forbidden }) => forbidden),
    })),
  ),
  object: fc.array(fc.tuple(nameText, space, tie('value')), { maxLength: 4 }).map(members => {
    const names = members.map(([name]) => JSON.parse(name) as string)
    return {
      text: `{${members.map(([name, gap, { text }]) => `${gap}${name}${gap}:${gap}${text}`).join(',')}}`,
      repeats: new Set(names).size < names.length || members.some(([, , { repeats }]) => repeats),
      forbidden: names.includes('__proto__') || members.some(([, , { forbidden }]) => forbidden),
    }
  }),
}))

test('finds exactly the duplicates that a naive reader finds', () => {
  const seen = { accepted: 0, repeats: 0 }
  fc.assert(
    fc.property(anyValue, ({ text, repeats, forbidden }) => {
      const body = Buffer.from(`{"x":${text}}`)
      let code = 'none'
      try {
        parseStrictJson(body, 64)
      } catch (error) {
        code = (error as Problem).code
      }
      if (!repeats && !forbidden) assert.equal(code, 'none')
      else if (!forbidden) assert.equal(code, 'request.duplicate_member')
      else
        assert.ok(['request.forbidden_member', ...(repeats ? ['request.duplicate_member'] : [])].includes(code), code)
      if (code === 'none') seen.accepted++
      if (repeats) seen.repeats++
    }),
    { numRuns: 2000 },
  )
  assert.ok(seen.accepted > 100 && seen.repeats > 100, JSON.stringify(seen))
})
