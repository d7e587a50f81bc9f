import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { compilePathGlob, foldPath, segmentsOf, segmentsOfGlob } from './path-glob.ts'

const rows: readonly (readonly [glob: string, fits: readonly string[], not: readonly string[]])[] = [
  ['/', ['/', ''], ['/a']],
  ['/items', ['/items', '/items/'], ['/', '/item', '/items/1', '/Items', '/itemsx']],
  ['/items/*', ['/items/1', '/items/**', '/items/a b/'], ['/items', '/items/1/2', '/items/']],
  ['/items/*/tags', ['/items/1/tags'], ['/items/tags', '/items/1/2/tags']],
  ['/items/**', ['/items', '/items/1', '/items/1/2/3', '/items/'], ['/', '/item', '/itemsx/1']],
  ['/**', ['/', '/a', '/a/b/c'], []],
  ['/**/edit', ['/edit', '/a/edit', '/a/b/edit/'], ['/a', '/edit/a', '/edited']],
  ['/a/**/b/**/c', ['/a/b/c', '/a/x/b/y/z/c', '/a/b/b/c/c'], ['/a/c', '/a/b', '/b/c']],
  ['/*.json', ['/a.json', '/.json'], ['/a.jsonx', '/a/b.json']],
  ['/v*/*-*', ['/v1/a-b', '/v/-'], ['/v1/ab', '/x1/a-b']],
]
for (const [glob, fits, not] of rows) {
  test(`${glob} stands for what it says`, () => {
    const match = compilePathGlob(glob)
    for (const path of fits) assert.equal(match(segmentsOf(path)), true, path)
    for (const path of not) assert.equal(match(segmentsOf(path)), false, path)
  })
}

test('a pattern is covered by one that fits whatever it fits', () => {
  const covers = (wide: string, narrow: string) => compilePathGlob(wide)(segmentsOfGlob(narrow))
  assert.equal(covers('/**', '/items/**'), true)
  assert.equal(covers('/items/**', '/items/*/tags'), true)
  assert.equal(covers('/items/*', '/items/*.json'), true)
  assert.equal(covers('/items/*', '/items/**'), false)
  assert.equal(covers('/items/*.json', '/items/*'), false)
})

test('agrees with a regular expression on whatever pattern and path', () => {
  const part = fc.constantFrom('a', 'b', 'ab', '*', '**', 'a*', '*b', 'a*b')
  const segment = fc.constantFrom('a', 'b', 'ab', 'aab', 'ba', '*', '**')
  fc.assert(
    fc.property(fc.array(part, { maxLength: 6 }), fc.array(segment, { maxLength: 7 }), (globs, segments) => {
      const pattern = globs.map(glob => (glob === '**' ? '(?:/[^/]+)*' : `/${glob.split('*').join('[^/]*')}`)).join('')
      const path = segments.map(one => `/${one}`).join('')
      assert.equal(compilePathGlob(`/${globs.join('/')}`)(segments), new RegExp(`^${pattern}$`).test(path))
    }),
    { numRuns: 3000 },
  )
})

test('takes no longer for many stars', () => {
  const match = compilePathGlob(`/${Array(200).fill('**/a').join('/')}/b`)
  const begun = performance.now()
  assert.equal(match(Array<string>(4000).fill('a')), false)
  assert.ok(performance.now() - begun < 2000)
})

for (const [path, others] of Object.entries({
  '/admin/x': [
    '/ADMIN/x',
    '/Admin/X',
    '/\uff41dmin/x',
    '/adm\u0131n/x',
    '/ADM\u0130N/x',
    '/adm\u2170n/x',
    '/admin/x\ufe0f',
  ],
  '/stra\u00dfe': ['/STRASSE', '/stra\u1e9ee', '/\u017ftrasse'],
  '/\u03bf\u03b4\u03cc\u03c2': ['/\u039f\u0394\u038c\u03a3', '/\u03bf\u03b4\u03cc\u03c3'],
  '/caf\u00e9 \ufb01': ['/CAFE\u0301\u00a0FI'],
})) {
  test(`${path} is compared as its other spellings are`, () => {
    for (const other of others) assert.equal(foldPath(other), foldPath(path), other)
    assert.equal(foldPath(foldPath(path)), foldPath(path))
  })
}

test('what is another path stays one', () => {
  for (const path of ['/admi', '/admin', '/admin/', '/admin/x/y', '/admin-x', '/adm\u00edn/x', '/admin/x*']) {
    assert.notEqual(foldPath(path), foldPath('/admin/x'), path)
  }
})

test('a letter is compared alike beside whatever stands next to it', () => {
  // The small sigma has another form at the end of a word.
  const match = compilePathGlob(foldPath('/\u03c3*'))
  for (const path of ['/\u03c3', '/\u03c2', '/\u03c3\u03b1', '/\u03a3\u0391'])
    assert.equal(match(segmentsOf(foldPath(path))), true, path)
})
