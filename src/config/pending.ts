import type { Secret } from '#core/secret.ts'
import type { SecretReference } from './complete.ts'
import { type Faults, showPath } from './faults.ts'
import type { LoadedConfig } from './load.ts'
import { checkSecret, type SecretValue } from './secrets.ts'

/** Where a value is that loading the configuration does not find: sealed in its text, or in the vault. */
export type PendingScheme = 'enc' | 'secret'

/** References of these schemes, and how to say where what is wrong with one of them was written. */
export interface Pending {
  readonly references: readonly SecretReference[]
  readonly faults: Faults
}

/** A value, or in words what is wrong with the reference. */
export type Found =
  | {
      readonly value: Secret
      /** Still valid until, in ms since the epoch. */
      readonly previous: { readonly value: Secret; readonly endsAt: number } | null
    }
  | string

export function isPending(reference: string): boolean {
  return schemeOf(reference) !== undefined
}

/**
 * Finds the values of one scheme's references, anew where they were found before. `find` is given what stands after
 * the colon for `secret`, the whole reference for `enc`. Rejects with `config.invalid`, and with what `find` rejects with.
 */
export async function resolvePending(
  loaded: LoadedConfig,
  scheme: PendingScheme,
  find: (name: string) => Promise<Found>,
): Promise<LoadedConfig> {
  const faults = loaded.pending.faults.anew()
  const values = new Map<string, SecretValue>()
  for (const reference of loaded.pending.references) {
    const { path, text } = reference
    if (schemeOf(text) !== scheme) continue
    const found = await find(scheme === 'enc' ? text : text.slice('secret:'.length))
    const wrong = typeof found === 'string' ? found : checkSecret(reference, found.value.reveal())
    const shown = scheme === 'enc' ? 'the sealed secret' : text
    if (typeof found === 'string' || wrong !== undefined) faults.add(path, `${shown} ${wrong}`)
    else values.set(text, toValue(found))
  }
  faults.throwIfAny()
  return { ...loaded, secrets: loaded.secrets.with(values) }
}

/** The members that refer to a secret, `providers.openai.credential`, by reference. */
export function membersByReference({ pending }: LoadedConfig): ReadonlyMap<string, readonly string[]> {
  const groups = Map.groupBy(pending.references, ({ text }) => text)
  return new Map([...groups].map(([text, references]) => [text, references.map(({ path }) => showPath(path))]))
}

function toValue({ value, previous }: Exclude<Found, string>): SecretValue {
  return { secret: value, previous: previous && { secret: previous.value, until: previous.endsAt } }
}

function schemeOf(reference: string): PendingScheme | undefined {
  if (reference.startsWith('secret:')) return 'secret'
  return reference.startsWith('enc:') ? 'enc' : undefined
}
