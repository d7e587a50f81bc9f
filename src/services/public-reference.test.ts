import assert from 'node:assert/strict'
import { test } from 'node:test'
import { publicReference } from './public-reference.ts'

const origin = 'http://10.0.0.5:3000'
const stripped = { origin, basePath: '/base', stripPath: true }

const rows: readonly (readonly [reference: string, expected: string])[] = [
  ['/base/a?b#c', '/catalog/a?b#c'],
  ['/base', '/catalog'],
  ['/base/', '/catalog/'],
  ['http://10.0.0.5:3000/base/a%20b', '/catalog/a%20b'],
  ['HTTP://10.0.0.5:3000/base/a', '/catalog/a'],
  ['//10.0.0.5:3000/base/a', '/catalog/a'],
  ['a', 'a'],
  ['../a', '../a'],
  ['?page=2', '?page=2'],
  ['#there', '#there'],
  ['', ''],
  ['/outside', '/outside'],
  ['/basement', '/basement'],
  ['/base/../outside', '/base/../outside'],
  ['https://10.0.0.5:3000/base/a', 'https://10.0.0.5:3000/base/a'],
  ['http://10.0.0.5:3001/base/a', 'http://10.0.0.5:3001/base/a'],
  ['http://user@10.0.0.5:3000/base/a', 'http://user@10.0.0.5:3000/base/a'],
  ['https://login.example.com/base/a', 'https://login.example.com/base/a'],
  ['//login.example.com/base', '//login.example.com/base'],
  ['mailto:a@example.com', 'mailto:a@example.com'],
  ['http://[', 'http://['],
]
for (const [reference, expected] of rows) {
  test(`${JSON.stringify(reference)} is at ${JSON.stringify(expected)}`, () => {
    assert.equal(publicReference({ path: '/catalog' }, stripped, reference), expected)
  })
}

test('a path that is not stripped stays, and a service with a host of its own has none to add', () => {
  assert.equal(publicReference({ path: '/kept' }, { ...stripped, stripPath: false }, '/base/kept/a'), '/kept/a')
  assert.equal(publicReference({ path: '' }, { ...stripped, basePath: '' }, `${origin}/a`), '/a')
  assert.equal(publicReference({ path: '' }, stripped, '/base'), '/')
})

test('no reference of a service names another host by two slashes', () => {
  assert.equal(
    publicReference({ path: '' }, { ...stripped, basePath: '' }, `${origin}//evil.example`),
    `${origin}//evil.example`,
  )
  assert.equal(publicReference({ path: '' }, stripped, '/base//evil.example'), '/base//evil.example')
})
