import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Problem } from '#core/problems.ts'
import { Secret } from '#core/secret.ts'
import { decrypt, encrypt } from './aead.ts'
import { rewrap, type SealContext, type Sealed, seal, unseal } from './envelope.ts'
import type { KeyWrapper } from './key-wrapper.ts'
import { kekOfReference, openReference, sealReference } from './sealed-reference.ts'

const unreadable = { name: 'Problem', code: 'secret.unreadable' }
const context: SealContext = ['secret', 'sec_1', 'openai', 3]
const value = new Secret('sk-the-value')

/** One key for each id, the first one current. */
function keysOf(...ids: string[]): KeyWrapper {
  const keyOf = (id: string) => Buffer.alloc(32, id)
  const [currentId = ''] = ids
  return {
    currentId,
    wrap: async (dataKey, context) => ({ kekId: currentId, wrapped: encrypt(keyOf(currentId), dataKey, context) }),
    async unwrap(kekId, wrapped, context) {
      const dataKey = ids.includes(kekId) ? decrypt(keyOf(kekId), wrapped, context) : null
      if (dataKey === null) throw new Problem('secret.unreadable')
      return dataKey
    },
  }
}

const keys = keysOf('aaaaaaaaaaaa')

test('opens what was sealed, and shows nothing of it', async () => {
  const sealed = await seal(keys, value, context)
  assert.equal((await unseal(keys, sealed, context)).reveal(), 'sk-the-value')
  assert.doesNotMatch(JSON.stringify(sealed), /the-value/)
})

test('has a data key and a nonce of its own each time', async () => {
  const all = await Promise.all(Array.from({ length: 50 }, () => seal(keys, value, context)))
  const parts = all.flatMap(({ wrappedKey, ciphertext }) => [wrappedKey.slice(0, 16), ciphertext.slice(0, 16)])
  assert.equal(new Set(parts).size, 100)
})

test('does not open for another name, version, id or purpose', async () => {
  const sealed = await seal(keys, value, context)
  const others: SealContext[] = [
    ['secret', 'sec_1', 'anthropic', 3],
    ['secret', 'sec_1', 'openai', 2],
    ['secret', 'sec_2', 'openai', 3],
    ['config', 'sec_1', 'openai', 3],
    ['secret', 'sec_1', 'openai'],
    ['secret', 'sec_1","openai', 3],
  ]
  for (const other of others) await assert.rejects(unseal(keys, sealed, other), unreadable, JSON.stringify(other))
})

test('does not open with parts of two seals put together', async () => {
  const [a, b] = [await seal(keys, value, context), await seal(keys, new Secret('sk-another'), context)]
  await assert.rejects(unseal(keys, { ...a, wrappedKey: b.wrappedKey }, context), unreadable)
  await assert.rejects(unseal(keys, { ...a, ciphertext: b.ciphertext }, context), unreadable)
})

test('does not open with any byte changed, nor cut off', async () => {
  const sealed = await seal(keys, value, context)
  for (const member of ['wrappedKey', 'ciphertext'] as const) {
    const bytes = Buffer.from(sealed[member], 'base64url')
    for (let at = 0; at < bytes.length; at++) {
      const changed = Buffer.from(bytes)
      changed[at] = (changed[at] as number) ^ 0x10
      const forged: Sealed = { ...sealed, [member]: changed.toString('base64url') }
      await assert.rejects(unseal(keys, forged, context), unreadable, `${member} ${at}`)
    }
    for (const length of [0, 11, 12, 27, 28, bytes.length - 1]) {
      const forged: Sealed = { ...sealed, [member]: bytes.subarray(0, length).toString('base64url') }
      await assert.rejects(unseal(keys, forged, context), unreadable, `${member} cut at ${length}`)
    }
  }
})

test('comes under another key without being opened', async () => {
  const sealed = await seal(keys, value, context)
  const both = keysOf('bbbbbbbbbbbb', 'aaaaaaaaaaaa')
  const after = await rewrap(both, sealed, context)
  assert.deepEqual([after.kekId, after.ciphertext], ['bbbbbbbbbbbb', sealed.ciphertext])
  assert.equal((await unseal(keysOf('bbbbbbbbbbbb'), after, context)).reveal(), 'sk-the-value')
  await assert.rejects(unseal(keys, after, context), unreadable)
  await assert.rejects(rewrap(both, sealed, ['secret', 'sec_1', 'openai', 4]), unreadable)
})

test('as text for the configuration, opens whole and unchanged only', async () => {
  const text = await sealReference(keys, value)
  assert.match(text, /^enc:aaaaaaaaaaaa\.[\w-]+\.[\w-]+$/)
  assert.equal(kekOfReference(text), 'aaaaaaaaaaaa')
  assert.equal((await openReference(keys, text)).reveal(), 'sk-the-value')
  const other = text.at(-9) === 'A' ? 'B' : 'A'
  for (const forged of [text.slice(0, -1), text.slice(0, -9) + other + text.slice(-8), text.replace('.', '..')]) {
    await assert.rejects(openReference(keys, forged), unreadable)
  }
  await assert.rejects(openReference(keysOf('bbbbbbbbbbbb'), text), unreadable)
})
