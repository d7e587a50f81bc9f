import assert from 'node:assert/strict'
import { createHmac, randomBytes } from 'node:crypto'
import { test } from 'node:test'
import { createHmacSha256 } from './hmac.ts'

const MAX = 130
const reference = (key: Buffer, text: string) => createHmac('sha256', key).update(text, 'latin1').digest('hex')

test('agrees with the library’s HMAC for keys and texts of every length around a block', () => {
  for (let keyLength = 0; keyLength <= 2 * 64 + 1; keyLength++) {
    const key = randomBytes(keyLength)
    const mac = createHmacSha256(key, MAX)
    for (let length = 0; length <= MAX; length += 13) {
      const text = randomBytes(length).toString('hex').slice(0, length)
      assert.equal(mac(text), reference(key, text), `key of ${keyLength}, text of ${length}`)
    }
  }
})

test('a long text leaves nothing behind in the next, shorter one', () => {
  const key = randomBytes(32)
  const mac = createHmacSha256(key, MAX)
  mac('x'.repeat(MAX))
  assert.equal(mac('short'), reference(key, 'short'))
})

test('refuses a text longer than it has room for', () => {
  assert.throws(() => createHmacSha256(randomBytes(32), 4)('12345'), RangeError)
})
