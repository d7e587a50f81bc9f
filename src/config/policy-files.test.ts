import assert from 'node:assert/strict'
import { mkdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { beforeEach, test } from 'node:test'
import { load, refuse } from './load-for-test.ts'

const FORBID = 'forbid (principal, action, resource);'
const named = 'policies: { directory: policies }'

beforeEach(() => {
  rmSync('policies', { recursive: true, force: true })
  rmSync('elsewhere', { recursive: true, force: true })
})

function write(file: string, text: string | Uint8Array = FORBID): void {
  const path = join('policies', file)
  mkdirSync(dirname(path), { recursive: true })
  writeFileSync(path, text)
}

function filesOf(yaml: string): string[] {
  return load(yaml).config.policySources.map(({ file }) => file)
}

test('files are read in the order of their names, hidden ones never', () => {
  for (const file of ['b.cedar', 'a.cedar', '.a.cedar', '.#a.cedar', '..data/x.cedar', 'README.md', 'a.cedar~'])
    write(file)
  symlinkSync('me@host.1234:1', 'policies/.#b.cedar')
  for (const yaml of ['', named]) assert.deepEqual(filesOf(yaml), ['a.cedar', 'b.cedar'])
})

test('a link to a file or a folder is what it leads to', () => {
  write('../elsewhere/x.cedar')
  mkdirSync('policies')
  symlinkSync('../elsewhere/x.cedar', 'policies/a.cedar')
  assert.deepEqual(filesOf(''), ['a.cedar'])
  rmSync('policies', { recursive: true })
  symlinkSync('elsewhere', 'policies')
  assert.deepEqual(filesOf(''), ['x.cedar'])
})

test('no folder is no policies in the usual place, and a fault where it is named', () => {
  assert.deepEqual(filesOf(''), [])
  assert.match(refuse(named).join('\n'), /^ostiary\.yaml:1:\d+: policies\.directory: cannot be read: it is not there/)
})

test('cases of `policy test` may be beside, in a folder of their own', () => {
  for (const file of ['a.cedar', 'tests/cases.yaml', 'docs/more/notes.txt']) write(file)
  assert.deepEqual(filesOf(named), ['a.cedar'])
})

const wrong: readonly (readonly [what: string, make: () => void, said: string])[] = [
  [
    'a link that leads nowhere',
    () => symlinkSync('gone', 'policies/b.cedar'),
    'b.cedar cannot be read: it is not there, or a link to what is not there',
  ],
  ['a link to itself', () => symlinkSync('b.cedar', 'policies/b.cedar'), 'b.cedar cannot be read (ELOOP)'],
  ['a folder for a file', () => mkdirSync('policies/b.cedar'), 'b.cedar cannot be read: it is no file'],
  ['what has no end', () => symlinkSync('/dev/zero', 'policies/b.cedar'), 'b.cedar cannot be read: it is no file'],
  ['no UTF-8', () => write('b.cedar', new Uint8Array([0xff])), 'b.cedar cannot be read: it is not UTF-8'],
  [
    'too much',
    () => write('b.cedar', new Uint8Array(1024 * 1024 + 1)),
    'b.cedar cannot be read: it is larger than 1048576 bytes',
  ],
  ['another case', () => write('b.CEDAR'), 'b.CEDAR would not be read: its name must end in .cedar'],
  ['an ending too many', () => write('b.cedar.txt'), 'b.cedar.txt would not be read: its name must end in .cedar'],
  [
    'a folder within',
    () => write('team/eu/b.cedar'),
    'team/eu/b.cedar would not be read: policies are read from the folder itself, not from folders within',
  ],
  [
    'policies among the cases',
    () => write('tests/b.Cedar'),
    'tests/b.Cedar would not be read: policies are read from the folder itself, not from folders within',
  ],
  [
    'a linked folder within',
    () => {
      write('../elsewhere/x.cedar')
      symlinkSync('../elsewhere', 'policies/more')
    },
    'more/x.cedar would not be read: policies are read from the folder itself, not from folders within',
  ],
  ['a folder that leads back to itself', () => symlinkSync('.', 'policies/again'), 'cannot be read'],
  [
    'more than is looked at',
    () => {
      mkdirSync('policies/many')
      for (let n = 0; n < 10_001; n++) writeFileSync(`policies/many/${n}`, '')
    },
    'cannot be read: more than 10000 files in folders within',
  ],
]
for (const [what, make, said] of wrong) {
  test(`one such file is refused, and never what is beside it dropped: ${what}`, () => {
    write('a.cedar')
    make()
    for (const yaml of ['', named]) {
      const refused = refuse(yaml).join('\n')
      assert.ok(refused.includes(`policies.directory: ${said}`), refused)
    }
  })
}

for (const [what, make] of [
  ['a link that leads nowhere', () => symlinkSync('gone', 'policies')],
  ['a file', () => writeFileSync('policies', '')],
] as const) {
  test(`the usual folder is no folder: ${what}`, () => {
    make()
    assert.match(refuse('').join('\n'), /policies\.directory: cannot be read/)
  })
}

test('more than 500 files are refused', () => {
  for (let n = 0; n < 501; n++) write(`${n}.cedar`)
  assert.match(refuse('').join('\n'), /policies\.directory: has 501 files of policies; at most 500 are read/)
})
