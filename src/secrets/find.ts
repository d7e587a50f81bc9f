import { Problem } from '#core/problems.ts'
import type { KeyWrapper } from './key-wrapper.ts'
import { openReference } from './sealed-reference.ts'
import type { StoredSecret, Vault } from './vault.ts'

/** The secret behind a reference of the configuration, or in words what is wrong there. */
type Find = (reference: string) => Promise<StoredSecret | string>

/** Opens `enc:…`. */
export function findSealed(keys: KeyWrapper): Find {
  return reference => orWords(async () => ({ value: await openReference(keys, reference), previous: null }))
}

/** Reads a secret of the vault by its name. Rejects with `store.unavailable`. */
export function findStored(vault: Vault): Find {
  return name =>
    orWords(
      async () => (await vault.read(name)) ?? `is not in the vault; \`ostiary secrets set ${name}\` puts it there`,
    )
}

/** A secret that cannot be opened is a fault of the place that refers to it. */
async function orWords(find: () => ReturnType<Find>): ReturnType<Find> {
  try {
    return await find()
  } catch (error) {
    if (!(error instanceof Problem) || error.code !== 'secret.unreadable') throw error
    return `cannot be opened. ${error.detail ?? 'It was changed, or sealed under another key.'}`
  }
}
