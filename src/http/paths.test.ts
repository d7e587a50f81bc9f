import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { Problem } from '#core/problems.ts'
import { parseTarget } from './paths.ts'

const canonical: readonly (readonly [target: string, path: string, query: string])[] = [
  ['/', '/', ''],
  ['/?', '/', ''],
  ['/v1/models', '/v1/models', ''],
  ['/v1/models/gpt-4o.mini_x~1', '/v1/models/gpt-4o.mini_x~1', ''],
  ['/v1beta/models/gemini:generateContent', '/v1beta/models/gemini:generateContent', ''],
  ['/v1beta/models/gemini%3AgenerateContent', '/v1beta/models/gemini:generateContent', ''],
  ['/%76%31/models', '/v1/models', ''],
  ['/a;b=c/d', '/a;b=c/d', ''],
  ["/-._~!$&'()*+,;=:@", "/-._~!$&'()*+,;=:@", ''],
  ['/..a/.well-known/.a', '/..a/.well-known/.a', ''],
  ['/v1/models?a=%2F..%00&b=//?#"\\', '/v1/models', 'a=%2F..%00&b=//?#"\\'],
]

for (const [target, path, query] of canonical) {
  test(`takes ${target}`, () => assert.deepEqual(parseTarget(target), { path, query }))
}

const refused: Readonly<Record<string, readonly string[]>> = {
  'no origin-form': ['', '*', 'v1/models', 'http://evil/v1/models', 'evil:443', '?a=1', 'https:/v1'],
  'an empty segment': ['//', '//v1/models', '/v1//models', '/v1/models/', '/v1/models//', '/v1/models/?a', '/%2f'],
  'a dot segment': ['/.', '/..', '/./v1', '/v1/./models', '/v1/../models', '/v1/..', '/v1/.', '/v1/..?a'],
  'a dot segment with parameters': ['/v1/..;/models', '/v1/.;/models', '/v1/..;a=b/models', '/v1/..;', '/..;?a'],
  'a segment that ends in a dot': ['/...', '/v1./models', '/v1/models.', '/a..;b', '/a%2e'],
  'an encoded dot segment': ['/%2e', '/%2e%2e/v1', '/v1/%2E%2e/models', '/v1/.%2e/models', '/v1/%2e%2e;/x', '/..%3b/x'],
  'an encoded separator': ['/v1%2fmodels', '/v1%2Fmodels', '/%2fv1', '/v1%5cmodels', '/v1/a%3fb', '/v1/a%23b'],
  'a backslash': ['/v1\\models', '\\v1', '/..\\v1', '/v1/..%5c..'],
  'a control character': ['/v1/%00', '/v1%00/models', '/a%0ab', '/a%0d', '/a%7f', '/a\tb', '/a%1f'],
  'double encoding': ['/v1%252fmodels', '/v1/%252e%252e/x', '/%25', '/a%25b', '/%2576'],
  'a bad escape': ['/%', '/%2', '/%zz', '/a%g1', '/%u002f', '/a%%'],
  'bad UTF-8': ['/%c0%af', '/%c0%ae%c0%ae/x', '/%e0%80%af', '/%ff', '/%ed%a0%80', '/%f8%80%80%80%af'],
  'a fragment': ['/v1/models#a', '/#', '/v1#/models'],
  'what no path holds': ['/a b', '/a%20b', '/ä', '/%c3%a4', '/a"b', '/<a>', '/a|b', '/^', '/`', '/{model}', '/a[0]'],
  'a full-width separator': ['/%ef%bc%8f', '/v1\uff0fmodels', '/\u2025'],
}

for (const [what, targets] of Object.entries(refused)) {
  for (const target of targets) {
    test(`refuses ${what}: ${JSON.stringify(target)}`, () => {
      assert.throws(() => parseTarget(target), { name: 'Problem', code: 'request.invalid_path' })
    })
  }
}

test('refuses a long path of dots in linear time', () => {
  assert.throws(() => parseTarget(`/${'a/..;'.repeat(3000)}%`), { code: 'request.invalid_path' })
  assert.throws(() => parseTarget(`${'/a'.repeat(8000)} `), { code: 'request.invalid_path' })
})

const piece = fc.constantFrom(
  '/',
  '//',
  '.',
  '..',
  ';',
  '%2e',
  '%2f',
  '%5c',
  '%25',
  '%00',
  'a',
  'v1',
  ':',
  '?',
  '#',
  '%',
  ' ',
)

test('a canonical path parses to itself, and never holds what a second decoder could read differently', () => {
  let parsed = 0
  const target = fc.array(fc.oneof({ weight: 4, arbitrary: piece }, fc.string({ maxLength: 3 })), { maxLength: 8 })
  fc.assert(
    fc.property(target, pieces => {
      let path: string
      try {
        path = parseTarget(`/${pieces.join('')}`).path
      } catch (error) {
        assert.ok(error instanceof Problem && error.code === 'request.invalid_path')
        return
      }
      parsed++
      assert.deepEqual(parseTarget(path), { path, query: '' })
      assert.equal(decodeURIComponent(path), path)
      assert.equal(new URL(path, 'http://host').pathname, path, 'the URL standard reads the same path')
    }),
    { numRuns: 3000 },
  )
  assert.ok(parsed > 100, `only ${parsed} paths were accepted`)
})
