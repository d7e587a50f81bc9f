import assert from 'node:assert/strict'
import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { type TestContext, test } from 'node:test'
import { findDataDirectory, makeDataDirectory, openDataDirectory as openMade } from './data-directory.ts'

function openDataDirectory(path: string) {
  makeDataDirectory(path)
  return openMade(path)
}

const FILES = ['deployment-secret', 'key-encryption-key', 'pepper']
const incomplete = { name: 'Problem', code: 'start.data_directory_incomplete' }

function temporary(t: TestContext): string {
  const directory = mkdtempSync(join(tmpdir(), 'ostiary-data-'))
  t.after(() => rmSync(directory, { recursive: true, force: true }))
  return join(directory, 'deep', '.ostiary')
}

function contents(path: string): string[] {
  return FILES.map(name => readFileSync(join(path, name), 'utf8'))
}

for (const umask of [0, 0o022, 0o077]) {
  test(`makes a directory that only its owner reads, under umask ${umask.toString(8)}`, {
    skip: process.platform === 'win32' && 'Windows has no modes',
  }, t => {
    const before = process.umask(umask)
    t.after(() => process.umask(before))
    const path = temporary(t)
    openDataDirectory(path)
    assert.equal(statSync(path).mode & 0o777, 0o700)
    assert.deepEqual(readdirSync(path).sort(), ['complete', ...FILES])
    for (const name of FILES) assert.equal(statSync(join(path, name)).mode & 0o777, 0o600, name)
  })
}

test('takes a directory away from others that stood open to them', {
  skip: process.platform === 'win32' && 'Windows has no modes',
}, t => {
  const path = temporary(t)
  openDataDirectory(path)
  chmodSync(path, 0o755)
  chmodSync(join(path, 'pepper'), 0o644)
  openDataDirectory(path)
  assert.deepEqual([statSync(path).mode & 0o777, statSync(join(path, 'pepper')).mode & 0o777], [0o700, 0o600])
})

test('fills it with secrets that differ from each other and from any other directory’s', t => {
  const [a, b] = [openDataDirectory(temporary(t)), openDataDirectory(temporary(t))]
  for (const { pepper, deploymentSecret } of [a, b]) {
    assert.deepEqual([pepper.length, deploymentSecret.length], [32, 32])
  }
  const all = [a, b].flatMap(({ path }) => contents(path))
  assert.equal(new Set(all).size, all.length)
  assert.notEqual(a.pepperId, b.pepperId)
})

test('opens the same a second time, and again beside a database', t => {
  const path = temporary(t)
  const first = openDataDirectory(path)
  const before = contents(path)
  assert.deepEqual(openDataDirectory(path), first)
  writeFileSync(first.database, '')
  assert.deepEqual(openDataDirectory(path), first)
  assert.deepEqual(contents(path), before)
})

test('names the pepper without telling it', t => {
  const { pepper, pepperId } = openDataDirectory(temporary(t))
  assert.match(pepperId, /^[0-9a-f]{12}$/)
  assert.doesNotMatch(pepper.toString('hex'), new RegExp(pepperId))
})

for (const name of ['pepper', 'deployment-secret', 'key-encryption-key']) {
  test(`refuses a database whose ${name} is missing, and makes no new one`, t => {
    const path = temporary(t)
    writeFileSync(openDataDirectory(path).database, '')
    rmSync(join(path, name))
    assert.throws(() => openDataDirectory(path), incomplete)
    assert.ok(!readdirSync(path).includes(name))
  })

  test(`refuses a directory whose ${name} alone is missing, also where the database is elsewhere`, t => {
    const path = temporary(t)
    openDataDirectory(path)
    rmSync(join(path, name))
    assert.throws(() => openDataDirectory(path), incomplete)
  })
}

test('goes on where a first start stopped before all secrets were written', t => {
  const path = temporary(t)
  openDataDirectory(path)
  for (const name of ['complete', ...FILES]) rmSync(join(path, name))
  writeFileSync(join(path, 'pepper.new'), 'half')
  assert.equal(openDataDirectory(path).pepper.length, 32)
})

const bytes = Buffer.alloc(32, 7)
for (const [what, text] of Object.entries({
  'is empty': '',
  'is too short': bytes.subarray(1).toString('base64url'),
  'is too long': `${bytes.toString('base64url')}AAAA`,
  'is in hexadecimal': bytes.toString('hex'),
  'holds characters that are not base64url': `${bytes.toString('base64url').slice(0, 20)} !${bytes.toString('base64url').slice(20)}`,
  'is only a comment': '# replace me',
})) {
  for (const name of ['pepper', 'deployment-secret']) {
    test(`refuses a ${name} that ${what}`, t => {
      const path = temporary(t)
      openDataDirectory(path)
      writeFileSync(join(path, name), text)
      assert.throws(() => openDataDirectory(path), incomplete)
    })
  }
}

test('is found by OSTIARY_DATA_DIR, else below the working directory', () => {
  assert.equal(findDataDirectory({ OSTIARY_DATA_DIR: '/var/lib/ostiary' }), '/var/lib/ostiary')
  assert.equal(findDataDirectory({}), resolve('.ostiary'))
})
