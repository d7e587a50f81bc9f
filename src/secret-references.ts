import type { LoadedConfig } from '#config/load.ts'
import { type Found, resolvePending } from '#config/pending.ts'
import { Problem } from '#core/problems.ts'
import type { KeyWrapper } from '#secrets/key-wrapper.ts'
import { openReference } from '#secrets/sealed-reference.ts'
import type { Vault } from '#secrets/vault.ts'

/** Finds what a configuration refers to beyond its file and its environment. Both reject with `config.invalid`. */
export interface References {
  /** Opens what is sealed in the text, `enc:…`. */
  unseal(loaded: LoadedConfig): Promise<LoadedConfig>
  /** Reads what is in the vault, `secret:NAME`. Rejects with `store.unavailable` too. */
  fetch(loaded: LoadedConfig, vault: Vault): Promise<LoadedConfig>
}

export function createReferences(keys: KeyWrapper): References {
  return {
    unseal: loaded =>
      resolvePending(loaded, 'enc', reference =>
        orWords(async () => ({ value: await openReference(keys, reference), previous: null })),
      ),
    fetch: (loaded, vault) =>
      resolvePending(loaded, 'secret', name =>
        orWords(
          async () => (await vault.read(name)) ?? `is not in the vault: \`ostiary secrets set ${name}\` puts it there`,
        ),
      ),
  }
}

/** A secret that cannot be opened is a fault of the place that refers to it. */
async function orWords(find: () => Promise<Found>): Promise<Found> {
  try {
    return await find()
  } catch (error) {
    if (!(error instanceof Problem) || error.code !== 'secret.unreadable') throw error
    return `cannot be opened. ${error.detail ?? 'It was changed, or sealed under another key.'}`
  }
}
