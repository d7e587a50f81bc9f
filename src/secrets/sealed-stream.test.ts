import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { describe, test } from 'node:test'
import { Secret } from '#core/secret.ts'
import { openStream, sealStream } from './sealed-stream.ts'

const CHUNK = 64 * 1024
const SEALED_CHUNK = CHUNK + 16
const HEAD = 'ostiary backup 1\n'.length + 16
const passphrase = new Secret('correct horse battery staple')
const unreadable = { name: 'Problem', code: 'backup.unreadable' }

async function* pieces(bytes: Buffer, length = 1000): AsyncGenerator<Buffer> {
  for (let at = 0; at < bytes.length; at += length) yield bytes.subarray(at, at + length)
}

async function gather(source: AsyncIterable<Buffer>): Promise<Buffer> {
  const all: Buffer[] = []
  for await (const piece of source) all.push(piece)
  return Buffer.concat(all)
}

const seal = (plaintext: Buffer) => gather(sealStream(pieces(plaintext, 50_000), passphrase))
const open = (sealed: Buffer, by = passphrase) => gather(openStream(pieces(sealed), by))

describe('a sealed stream', () => {
  for (const length of [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 3 * CHUNK, 3 * CHUNK + 7]) {
    test(`gives ${length} bytes back`, async () => {
      const plaintext = randomBytes(length)
      assert.deepEqual(await open(await seal(plaintext)), plaintext)
    })
  }

  test('opens under its own passphrase only', async () => {
    const sealed = await seal(Buffer.from('text'))
    await assert.rejects(open(sealed, new Secret('correct horse battery stapler')), unreadable)
  })

  test('says nothing of its content', async () => {
    assert.ok(!(await seal(Buffer.alloc(1000, 'x'))).includes('xxxx'))
  })

  test('is another each time', async () => {
    const [a, b] = [await seal(Buffer.alloc(100)), await seal(Buffer.alloc(100))]
    assert.notDeepEqual(a.subarray(HEAD), b.subarray(HEAD))
  })
})

describe('a sealed stream is refused', async () => {
  const sealed = await seal(randomBytes(2 * CHUNK + 100))
  const chunk = (n: number) => sealed.subarray(HEAD + n * SEALED_CHUNK, HEAD + (n + 1) * SEALED_CHUNK)
  const head = sealed.subarray(0, HEAD)

  for (const at of [0, HEAD - 1, HEAD, HEAD + CHUNK, HEAD + SEALED_CHUNK + 5, sealed.length - 1]) {
    test(`where bit 0 of byte ${at} of ${sealed.length} is flipped`, async () => {
      const changed = Buffer.from(sealed)
      changed[at] = (changed[at] as number) ^ 1
      await assert.rejects(open(changed), unreadable)
    })
  }

  for (const length of [
    0,
    HEAD - 1,
    HEAD,
    HEAD + 5,
    HEAD + SEALED_CHUNK - 1,
    HEAD + SEALED_CHUNK,
    HEAD + 2 * SEALED_CHUNK,
    sealed.length - 1,
  ]) {
    test(`where it is cut off after ${length} bytes`, async () => {
      await assert.rejects(open(sealed.subarray(0, length)), unreadable)
    })
  }

  const orders: Record<string, Buffer[]> = {
    'its chunks are swapped': [head, chunk(1), chunk(0), chunk(2)],
    'a chunk is left out': [head, chunk(0), chunk(2)],
    'a chunk comes twice': [head, chunk(0), chunk(0), chunk(1), chunk(2)],
    'something follows its end': [head, chunk(0), chunk(1), chunk(2), Buffer.alloc(SEALED_CHUNK)],
  }
  for (const [what, parts] of Object.entries(orders)) {
    test(`where ${what}`, async () => {
      await assert.rejects(open(Buffer.concat(parts)), unreadable)
    })
  }

  test('where a chunk is another stream’s', async () => {
    const other = await seal(randomBytes(2 * CHUNK + 100))
    const parts = [head, chunk(0), other.subarray(HEAD + SEALED_CHUNK, HEAD + 2 * SEALED_CHUNK), chunk(2)]
    await assert.rejects(open(Buffer.concat(parts)), unreadable)
  })
})
