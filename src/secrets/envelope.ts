import { randomBytes } from 'node:crypto'
import { Problem } from '#core/problems.ts'
import { Secret } from '#core/secret.ts'
import { decrypt, encrypt, KEY_BYTES } from './aead.ts'
import type { KeyWrapper } from './key-wrapper.ts'

/** A secret under a data key of its own, and that key under a KEK. All in base64url but the id. */
export interface Sealed {
  readonly kekId: string
  readonly wrappedKey: string
  readonly ciphertext: string
}

/**
 * What a sealed value is and whose: authenticated with it, so that a row in the place of another does not open.
 * JSON, because no two lists of parts have the same text.
 */
export type SealContext = readonly [purpose: 'secret' | 'config', ...parts: (string | number)[]]

export async function seal(keys: KeyWrapper, value: Secret, context: SealContext): Promise<Sealed> {
  const dataKey = randomBytes(KEY_BYTES)
  try {
    const ciphertext = encrypt(dataKey, Buffer.from(value.reveal()), textOf('value', context))
    const { kekId, wrapped } = await keys.wrap(dataKey, textOf('data-key', context))
    return { kekId, wrappedKey: wrapped.toString('base64url'), ciphertext: ciphertext.toString('base64url') }
  } finally {
    dataKey.fill(0)
  }
}

/** Throws `secret.unreadable`: a KEK that is not here, another value's context, or changed bytes. */
export async function unseal(keys: KeyWrapper, sealed: Sealed, context: SealContext): Promise<Secret> {
  const dataKey = await unwrap(keys, sealed, context)
  try {
    const plaintext = decrypt(dataKey, Buffer.from(sealed.ciphertext, 'base64url'), textOf('value', context))
    if (plaintext === null) throw new Problem('secret.unreadable', { reason: 'changed' })
    return new Secret(plaintext.toString())
  } finally {
    dataKey.fill(0)
  }
}

/** The same value with its data key under the current KEK; the value itself is not opened. */
export async function rewrap(keys: KeyWrapper, sealed: Sealed, context: SealContext): Promise<Sealed> {
  const dataKey = await unwrap(keys, sealed, context)
  try {
    const { kekId, wrapped } = await keys.wrap(dataKey, textOf('data-key', context))
    return { kekId, wrappedKey: wrapped.toString('base64url'), ciphertext: sealed.ciphertext }
  } finally {
    dataKey.fill(0)
  }
}

async function unwrap(keys: KeyWrapper, { kekId, wrappedKey }: Sealed, context: SealContext): Promise<Buffer> {
  const dataKey = await keys.unwrap(kekId, Buffer.from(wrappedKey, 'base64url'), textOf('data-key', context))
  if (dataKey.length !== KEY_BYTES) throw new Problem('secret.unreadable', { reason: 'changed' })
  return dataKey
}

function textOf(part: 'value' | 'data-key', context: SealContext): string {
  return JSON.stringify(['ostiary', 1, part, ...context])
}
