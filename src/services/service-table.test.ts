import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Service } from './service.ts'
import { createServiceTable } from './service-table.ts'

function tableOf(places: Readonly<Record<string, string>>) {
  const services = Object.entries(places).map(([name, place]) => {
    const [host, path] = place.split(' ')
    return { name, host: host === '-' ? null : host, path: path ?? '', operations: [] } as unknown as Service
  })
  const table = createServiceTable(services)
  return (host: string | undefined, path: string) => {
    const found = table.find(host, path)
    return found && `${found.service.name} ${found.below || '(itself)'}`
  }
}

test('is found by whole segments, and the longest path', () => {
  const find = tableOf({ catalog: '- /catalog', covers: '- /catalog/covers/large', odd: '- /v1x' })
  assert.equal(find('x', '/catalog'), 'catalog (itself)')
  assert.equal(find('x', '/catalog/'), 'catalog /')
  assert.equal(find('x', '/catalog/a/b'), 'catalog /a/b')
  assert.equal(find('x', '/catalog/covers'), 'catalog /covers')
  assert.equal(find('x', '/catalog/covers/large'), 'covers (itself)')
  assert.equal(find('x', '/catalog/covers/large/1/'), 'covers /1/')
  assert.equal(find('x', '/catalog/covers/larger'), 'catalog /covers/larger')
  for (const path of ['/', '/catalogue', '/catalog2/x', '/Catalog', '/x/catalog', '/v1', '/v1x2']) {
    assert.equal(find('x', path), null, path)
  }
})

test('is found by its host first: by name, then by the longest pattern, then by none', () => {
  const find = tableOf({
    named: 'a.apps.example.com',
    part: 'b.apps.example.com /part',
    deep: '*.deep.apps.example.com',
    apps: '*.apps.example.com',
    anywhere: '- /part',
  })
  assert.equal(find('a.apps.example.com', '/part/x'), 'named /part/x')
  assert.equal(find('A.Apps.Example.COM:8400', '/'), 'named /')
  assert.equal(find('a.apps.example.com.', '/'), 'named /')
  assert.equal(find('b.apps.example.com', '/part/x'), 'part /x')
  assert.equal(find('b.apps.example.com', '/other'), 'apps /other')
  assert.equal(find('c.deep.apps.example.com', '/'), 'deep /')
  assert.equal(find('c.d.apps.example.com', '/'), 'apps /')
  assert.equal(find('other.example.com', '/part/x'), 'anywhere /x')
  assert.equal(find(undefined, '/part'), 'anywhere (itself)')
  for (const host of [
    'apps.example.com',
    '.apps.example.com',
    'evilapps.example.com',
    'a.apps.example.com.evil.com',
    'a.apps.example.com:80:80',
    'a.apps.example.com@evil.com',
    'a";by=b;x.apps.example.com',
    'a..apps.example.com',
    'a b.apps.example.com',
    'a/.apps.example.com',
    '',
  ]) {
    assert.equal(find(host, '/'), null, host)
  }
})

test('looks no deeper into a path than services are', () => {
  const find = tableOf({ one: '- /one', two: '- /one/two' })
  const begun = performance.now()
  for (let i = 0; i < 1000; i++) assert.equal(find('x', '/a'.repeat(8000)), null)
  assert.ok(performance.now() - begun < 500)
})
