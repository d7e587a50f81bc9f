import { Problem } from '#core/problems.ts'
import type { Secret } from '#core/secret.ts'
import { type Sealed, seal, unseal } from './envelope.ts'
import type { KeyWrapper } from './key-wrapper.ts'

// A wrapped data key is 12 + 32 + 16 bytes, a sealed value at least 12 + 16.
const SEALED = /^enc:([0-9a-f]{12})\.([\w-]{80})\.([\w-]{38,})$/

/** A secret as text for the configuration, `enc:<KEK id>.<data key>.<value>`, which only this deployment can open. */
export async function sealReference(keys: KeyWrapper, value: Secret): Promise<string> {
  const { kekId, wrappedKey, ciphertext } = await seal(keys, value, ['config'])
  return `enc:${kekId}.${wrappedKey}.${ciphertext}`
}

/** Throws `secret.unreadable`. */
export async function openReference(keys: KeyWrapper, reference: string): Promise<Secret> {
  return unseal(keys, parse(reference), ['config'])
}

/** Which KEK a reference is under. Throws `secret.unreadable`. */
export function kekOfReference(reference: string): string {
  return parse(reference).kekId
}

function parse(reference: string): Sealed {
  const [, kekId, wrappedKey, ciphertext] = SEALED.exec(reference) ?? []
  if (kekId === undefined || wrappedKey === undefined || ciphertext === undefined) {
    throw new Problem('secret.unreadable', { detail: 'It is not whole.', reason: 'changed' })
  }
  return { kekId, wrappedKey, ciphertext }
}
