import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { Problem } from '#core/problems.ts'
import { encodePath, parseServiceTarget } from './paths.ts'

/** What is asked, what everything here decides about, and what the service is asked. */
const taken: readonly (readonly [target: string, path: string, written: string])[] = [
  ['/', '/', '/'],
  ['/a', '/a', '/a'],
  ['/a/', '/a/', '/a/'],
  ['/a/b.c/~d', '/a/b.c/~d', '/a/b.c/~d'],
  ['/%61%2Db', '/a-b', '/a-b'],
  ['/a%20b', '/a b', '/a%20b'],
  ['/caf%C3%A9', '/café', '/caf%C3%A9'],
  ['/caf%c3%a9', '/café', '/caf%C3%A9'],
  ['/%E6%97%A5%E6%9C%AC', '/日本', '/%E6%97%A5%E6%9C%AC'],
  ['/%F0%9F%98%80', '/😀', '/%F0%9F%98%80'],
  ['/a%5Bb%5D%7Bc%7D%22%3C%3E%7C%5E%60', '/a[b]{c}"<>|^`', '/a%5Bb%5D%7Bc%7D%22%3C%3E%7C%5E%60'],
  ["/-._~!$&'()*+,=:@", "/-._~!$&'()*+,=:@", "/-._~!$&'()*+,=:@"],
  ['/a%2Bb%40c%3Ad%2Ce%3Df%26', '/a+b@c:d,e=f&', '/a+b@c:d,e=f&'],
  ['/..a/.well-known/.a', '/..a/.well-known/.a', '/..a/.well-known/.a'],
  ['/a%20b.c%20d/', '/a b.c d/', '/a%20b.c%20d/'],
]
for (const [target, path, written] of taken) {
  test(`takes ${target}`, () => {
    assert.deepEqual(parseServiceTarget(`${target}?x=%2F..&y`), { path, query: 'x=%2F..&y' })
    assert.equal(encodePath(path), written)
    assert.deepEqual(parseServiceTarget(written), { path, query: '' })
  })
}

const refused: Readonly<Record<string, readonly string[]>> = {
  'no origin-form': ['', '*', 'a', 'http://evil/a', 'evil:443', '?a'],
  'an empty segment': ['//', '//a', '/a//b', '/a//', '/a/%2f', '///'],
  'a dot segment': ['/.', '/..', '/a/./b', '/a/../b', '/a/..', '/a/../', '/./', '/%2e%2e/a', '/a/.%2E/b', '/a/%2e'],
  'a path parameter': ['/a;b', '/a/..;/b', '/a/;/b', '/a%3bb', '/a/..%3B/b', '/a;jsessionid=1/b', '/;'],
  'an encoded separator': ['/a%2fb', '/a%2Fb', '/a%5cb', '/..%5c..', '/a%3fb', '/a%23b'],
  'an escape of an escape': ['/%25', '/a%252fb', '/%252e%252e/a', '/%25%32%66'],
  'a bad escape': ['/%', '/%2', '/%zz', '/%u002f', '/a%'],
  'bad UTF-8': ['/%c0%af', '/%c0%ae%c0%ae/a', '/%e0%80%af', '/%ff', '/%ed%a0%80', '/%f8%80%80%80%af', '/%80'],
  'a control character': ['/%00', '/a%00.jpg', '/a%0d%0aX', '/a%09', '/a%7f', '/a%C2%85', '/a%1b'],
  'what nobody sees': [
    '/a%E2%80%8Bb',
    '/a%EF%BB%BF',
    '/a%E2%80%AEb',
    '/a%C2%AD',
    '/a%E2%80%A8b',
    '/a%EE%80%80',
    '/a%EF%BF%BF',
  ],
  'what normalizes to a separator, a dot or an escape': [
    '/a%EF%BC%8Fb',
    '/%E2%80%A5/a',
    '/%E2%80%A4%E2%80%A4/a',
    '/a%EF%BC%BCb',
    '/%EF%BC%8E%EF%BC%8E/a',
    '/a%EF%BC%852f',
    '/a%EF%BC%9Fb',
    '/a%E2%81%87b',
    '/a%E2%84%80b',
  ],
  'another form of the same text': ['/cafe%CC%81', '/%E2%84%AB', '/%EF%A4%80'],
  'what a server may leave off': [
    '/a.',
    '/a./b',
    '/a../',
    '/...',
    '/a%20',
    '/a%20/b',
    '/..%20/b',
    '/.%20/b',
    '/a.%20.',
    '/%20a',
    '/%20../b',
    '/%20',
    '/a%C2%A0/b',
    '/a%E3%80%80',
    '/%E2%80%83a',
    '/a%E1%9A%80',
  ],
  'what is to be escaped': [
    '/a b',
    '/ä',
    '/a"b',
    '/<a>',
    '/a|b',
    '/a[0]',
    '/{a}',
    '/a\\b',
    '/^',
    '/`',
    '/a#b',
    '/a\tb',
  ],
}
for (const [what, targets] of Object.entries(refused)) {
  for (const target of targets) {
    test(`refuses ${what}: ${JSON.stringify(target)}`, () => {
      assert.throws(() => parseServiceTarget(target), { name: 'Problem', code: 'request.invalid_path' })
    })
  }
}

for (const query of ['a#b', 'a b', 'ä', 'a\tb', '\x7f']) {
  test(`refuses the query ${JSON.stringify(query)}`, () => {
    assert.throws(() => parseServiceTarget(`/a?${query}`), { code: 'request.invalid_path' })
  })
}

test('whatever is asked is refused, or has one path, written in one way', () => {
  const piece = fc.constantFrom(
    '/',
    'a',
    'B',
    '.',
    '..',
    '%',
    '%2e',
    '%2f',
    '%5c',
    '%25',
    '%c3%a9',
    '%20',
    ';',
    '%3b',
    '?',
    '#',
    'é',
    '\u0301',
    '%cc%81',
  )
  const target = fc.array(fc.oneof({ weight: 4, arbitrary: piece }, fc.string({ maxLength: 3, unit: 'binary' })), {
    maxLength: 8,
  })
  let parsed = 0
  fc.assert(
    fc.property(target, pieces => {
      let path: string
      try {
        path = parseServiceTarget(`/${pieces.join('')}`).path
      } catch (error) {
        assert.ok(error instanceof Problem && error.code === 'request.invalid_path')
        return
      }
      parsed++
      const written = encodePath(path)
      assert.equal(decodeURIComponent(written), path)
      assert.equal(parseServiceTarget(written).path, path)
      assert.equal(new URL(written, 'http://host').pathname, written, 'the URL standard reads the same path')
      assert.equal(encodePath(parseServiceTarget(written).path), written)
      assert.doesNotMatch(path, /[\\%?#;\p{Cc}]|\/\/|[. ](?:\/|$)/u)
    }),
    { numRuns: 4000 },
  )
  assert.ok(parsed > 100, `only ${parsed} were taken`)
})

test('refuses a long path in linear time', () => {
  const begun = performance.now()
  for (const text of [
    '/a/..;'.repeat(2500),
    `${'/a'.repeat(8000)} `,
    '/%2e'.repeat(4000),
    `/${'%c3%a9'.repeat(2500)};`,
  ]) {
    assert.throws(() => parseServiceTarget(text), { code: 'request.invalid_path' })
  }
  assert.ok(performance.now() - begun < 1000)
})
