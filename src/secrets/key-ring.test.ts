import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import {
  copyFileSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { openDataDirectory } from './data-directory.ts'
import { openKeyRing } from './key-ring.ts'

const unreadable = { name: 'Problem', code: 'secret.unreadable' }
const incomplete = { name: 'Problem', code: 'start.data_directory_incomplete' }

function directory(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'ostiary-keys-'))
  t.after(() => rmSync(folder, { recursive: true, force: true }))
  openDataDirectory(folder)
  return folder
}

const keyFiles = (folder: string) => readdirSync(folder).filter(name => name.startsWith('key-encryption-key'))

test('unwraps what it wrapped, in the same context only', async t => {
  const ring = openKeyRing(directory(t), {})
  const dataKey = randomBytes(32)
  const { kekId, wrapped } = await ring.wrap(dataKey, 'a')
  assert.equal(kekId, ring.currentId)
  assert.deepEqual(await ring.unwrap(kekId, wrapped, 'a'), dataKey)
  await assert.rejects(ring.unwrap(kekId, wrapped, 'b'), unreadable)
  await assert.rejects(ring.unwrap('0'.repeat(12), wrapped, 'a'), {
    ...unreadable,
    message: /000000000000, which is not here/,
  })
})

test('a new key wraps, the one before unwraps, also after a start, until it is removed', async t => {
  const folder = directory(t)
  const ring = openKeyRing(folder, {})
  const { kekId, wrapped } = await ring.wrap(Buffer.alloc(32, 1), 'a')
  const replaced = ring.replace()
  assert.notEqual(replaced, kekId)
  for (const now of [ring, openKeyRing(folder, {})]) {
    assert.equal(now.currentId, replaced)
    assert.deepEqual(now.retired(), [kekId])
    assert.deepEqual(await now.unwrap(kekId, wrapped, 'a'), Buffer.alloc(32, 1))
    assert.equal((await now.wrap(Buffer.alloc(32), 'a')).kekId, replaced)
  }
  assert.throws(() => ring.remove(replaced), TypeError)
  ring.remove(kekId)
  assert.deepEqual(keyFiles(folder), ['key-encryption-key'])
  await assert.rejects(ring.unwrap(kekId, wrapped, 'a'), unreadable)
})

test('keeps its files to their owner', { skip: process.platform === 'win32' && 'Windows has no modes' }, t => {
  const folder = directory(t)
  openKeyRing(folder, {}).replace()
  for (const name of keyFiles(folder)) assert.equal(statSync(join(folder, name)).mode & 0o777, 0o600)
  assert.equal(keyFiles(folder).length, 2)
})

test('opens the same where a replacement stopped at its first file', async t => {
  const folder = directory(t)
  const ring = openKeyRing(folder, {})
  const { kekId, wrapped } = await ring.wrap(Buffer.alloc(32, 1), 'a')
  copyFileSync(join(folder, 'key-encryption-key'), join(folder, `key-encryption-key.${kekId}`))
  writeFileSync(join(folder, 'key-encryption-key.new'), 'half')
  const again = openKeyRing(folder, {})
  assert.deepEqual([again.currentId, again.retired()], [kekId, []])
  again.replace()
  assert.deepEqual(await again.unwrap(kekId, wrapped, 'a'), Buffer.alloc(32, 1))
})

test('refuses a key that is under another’s name', t => {
  const folder = directory(t)
  const ring = openKeyRing(folder, {})
  const id = ring.currentId
  ring.replace()
  renameSync(join(folder, `key-encryption-key.${id}`), join(folder, 'key-encryption-key.000000000000'))
  assert.throws(() => openKeyRing(folder, {}), incomplete)
})

test('takes keys from the variable: the first wraps, all unwrap, beside the file’s', async t => {
  const folder = directory(t)
  const file = openKeyRing(folder, {})
  const inFile = await file.wrap(Buffer.alloc(32, 1), 'a')
  const [one, two] = [randomBytes(32).toString('base64url'), randomBytes(32).toString('base64url')]
  const first = openKeyRing(folder, { OSTIARY_KEY_ENCRYPTION_KEY: one })
  const underOne = await first.wrap(Buffer.alloc(32, 2), 'a')
  assert.notEqual(underOne.kekId, inFile.kekId)
  const both = openKeyRing(folder, { OSTIARY_KEY_ENCRYPTION_KEY: `${two},${one}` })
  assert.deepEqual([first.fromVariable, file.fromVariable, both.fromVariable], [true, false, true])
  assert.deepEqual(await both.unwrap(inFile.kekId, inFile.wrapped, 'a'), Buffer.alloc(32, 1))
  assert.deepEqual(await both.unwrap(underOne.kekId, underOne.wrapped, 'a'), Buffer.alloc(32, 2))
  assert.ok(![inFile.kekId, underOne.kekId].includes(both.currentId))
  assert.doesNotMatch(
    keyFiles(folder)
      .map(name => readFileSync(join(folder, name), 'utf8'))
      .join(),
    new RegExp(one),
  )
})

for (const text of ['', 'short', `${'A'.repeat(43)},`, 'A'.repeat(44), `${'A'.repeat(43)} ${'A'.repeat(43)}`]) {
  test(`refuses the variable with ${JSON.stringify(text)}, and does not quote it`, t => {
    assert.throws(() => openKeyRing(directory(t), { OSTIARY_KEY_ENCRYPTION_KEY: text }), {
      code: 'config.invalid',
      message: /^OSTIARY_KEY_ENCRYPTION_KEY: must be [^A]*$/,
    })
  })
}
