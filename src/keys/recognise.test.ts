import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { test } from 'node:test'
import { Problem } from '#core/problems.ts'
import { createKeyFormat } from './format.ts'
import { createRecogniser as create, createDigest } from './recognise.ts'

const format = createKeyFormat('sk', randomBytes(32))
const pepper = randomBytes(32)
const digestOf = createDigest(pepper)
const make = () => format.make('live')
/** A refusal is answered; here it is thrown. */
function setUp(size = 100): (text: string) => string {
  const recognise = create({ format, pepper, size })
  return text => {
    const digest = recognise(text)
    if (digest instanceof Problem) throw digest
    return digest
  }
}

test('answers the same digest the first time and every time', () => {
  const recognise = setUp()
  const texts = [make(), make(), make()]
  for (let round = 0; round < 3; round++) {
    for (const text of texts) assert.equal(recognise(text), digestOf(text))
  }
})

test('a text that ends like a key seen before is not taken for it', () => {
  const recognise = setUp()
  const text = make()
  recognise(text)
  for (let at = 0; at < text.length - 6; at++) {
    const other = `${text.slice(0, at)}${text[at] === 'a' ? 'b' : 'a'}${text.slice(at + 1)}`
    if (other === text) continue
    assert.throws(() => recognise(other), { code: 'auth.invalid_credential' }, `changed at ${at}`)
  }
  assert.throws(() => recognise(`x${text}`), { code: 'auth.invalid_credential' })
  assert.throws(() => recognise(text.slice(-6)), { reason: 'shape' })
  assert.equal(recognise(text), digestOf(text))
})

test('says which check refused, also after the key that the text was made from', () => {
  const recognise = setUp()
  const foreign = createKeyFormat('sk', randomBytes(32)).make('live')
  for (let round = 0; round < 2; round++) {
    assert.throws(() => recognise('hello'), { reason: 'shape' })
    assert.throws(() => recognise('a'.repeat(10_000)), { reason: 'shape' })
    assert.throws(() => recognise(`${foreign.slice(0, -1)}${foreign.endsWith('a') ? 'b' : 'a'}`), {
      reason: 'checksum',
    })
    assert.throws(() => recognise(foreign), { reason: 'tag' })
  }
})

test('answers right beyond what it may remember', () => {
  const recognise = setUp(3)
  const texts = Array.from({ length: 20 }, make)
  for (const text of [...texts, ...texts]) assert.equal(recognise(text), digestOf(text))
})
