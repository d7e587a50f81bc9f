import { argon2, createCipheriv, createDecipheriv, randomBytes } from 'node:crypto'
import { promisify } from 'node:util'
import { Problem } from '#core/problems.ts'
import type { Secret } from '#core/secret.ts'
import { KEY_BYTES } from './aead.ts'

const ALGORITHM = 'aes-256-gcm'
const MAGIC = Buffer.from('ostiary backup 1\n')
const SALT_BYTES = 16
const CHUNK_BYTES = 64 * 1024
const TAG_BYTES = 16

/**
 * A stream under a passphrase, in chunks that are each authenticated: `STREAM` of Hoang, Reyhanitabar, Rogaway and Vizár
 * (2015). The nonce counts the chunks and marks the last, so that none can be left out, moved or cut off.
 */
export async function* sealStream(source: AsyncIterable<Buffer>, passphrase: Secret): AsyncGenerator<Buffer> {
  const salt = randomBytes(SALT_BYTES)
  const head = Buffer.concat([MAGIC, salt])
  const key = await deriveKey(passphrase, salt)
  yield head
  let number = 0
  for await (const { chunk, last } of cut(source, CHUNK_BYTES)) {
    const cipher = createCipheriv(ALGORITHM, key, nonceOf(number++, last), { authTagLength: TAG_BYTES })
    cipher.setAAD(head)
    yield Buffer.concat([cipher.update(chunk), cipher.final(), cipher.getAuthTag()])
  }
}

/** What was sealed, each piece authenticated before it is given out. Throws `backup.unreadable`, at the latest at the end. */
export async function* openStream(source: AsyncIterable<Buffer>, passphrase: Secret): AsyncGenerator<Buffer> {
  const pieces = source[Symbol.asyncIterator]()
  try {
    const { head, key, rest } = await readHead(pieces, passphrase)
    let number = 0
    for await (const { chunk, last } of cut(rest, CHUNK_BYTES + TAG_BYTES)) {
      yield openChunk(key, head, chunk, number++, last)
    }
  } finally {
    await pieces.return?.()
  }
}

async function readHead(pieces: AsyncIterator<Buffer>, passphrase: Secret) {
  let start = Buffer.alloc(0)
  while (start.length < MAGIC.length + SALT_BYTES) {
    const { value, done } = await pieces.next()
    if (done) throw new Problem('backup.unreadable', { detail: 'The file is too short.' })
    start = Buffer.concat([start, value])
  }
  const head = start.subarray(0, MAGIC.length + SALT_BYTES)
  if (!head.subarray(0, MAGIC.length).equals(MAGIC)) {
    throw new Problem('backup.unreadable', { detail: 'The file is no backup of this version’s form.' })
  }
  const rest = async function* () {
    yield start.subarray(head.length)
    yield* { [Symbol.asyncIterator]: () => pieces }
  }
  return { head, key: await deriveKey(passphrase, head.subarray(MAGIC.length)), rest: rest() }
}

function openChunk(key: Buffer, head: Buffer, chunk: Buffer, number: number, last: boolean): Buffer {
  if (chunk.length < TAG_BYTES) throw new Problem('backup.unreadable', { detail: 'The file is cut off.' })
  const decipher = createDecipheriv(ALGORITHM, key, nonceOf(number, last), { authTagLength: TAG_BYTES })
  decipher.setAAD(head)
  decipher.setAuthTag(chunk.subarray(-TAG_BYTES))
  const plaintext = decipher.update(chunk.subarray(0, -TAG_BYTES))
  try {
    decipher.final()
    return plaintext
  } catch (cause) {
    const detail =
      number === 0 ? 'The passphrase is another one, or the file was changed.' : 'The file was changed or cut off.'
    throw new Problem('backup.unreadable', { detail, cause })
  }
}

const argon2Async = promisify(argon2)

/** Argon2id with the second parameters that RFC 9106 §4 recommends. They are the format’s, and not read from the file. */
function deriveKey(passphrase: Secret, salt: Buffer): Promise<Buffer> {
  const message = Buffer.from(passphrase.reveal())
  return argon2Async('argon2id', {
    message,
    nonce: salt,
    parallelism: 4,
    passes: 3,
    memory: 65_536,
    tagLength: KEY_BYTES,
  })
}

function nonceOf(number: number, last: boolean): Buffer {
  const nonce = Buffer.alloc(12)
  nonce.writeUIntBE(number, 5, 6)
  nonce[11] = last ? 1 : 0
  return nonce
}

/** Chunks of one length, but for the last, which may be shorter or empty. */
async function* cut(source: AsyncIterable<Buffer>, length: number) {
  let held: Buffer[] = []
  let bytes = 0
  for await (const piece of source) {
    held.push(piece)
    bytes += piece.length
    // Not at the length itself: only what follows shows that a chunk is not the last.
    if (bytes <= length) continue
    const whole = Buffer.concat(held)
    let at = 0
    for (; whole.length - at > length; at += length) yield { chunk: whole.subarray(at, at + length), last: false }
    held = [whole.subarray(at)]
    bytes = whole.length - at
  }
  yield { chunk: Buffer.concat(held), last: true }
}
