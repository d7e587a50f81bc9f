import type { Config } from '#config/schema.ts'
import type { KeysOptions } from '#keys/keys.ts'
import { isServed } from '#policy/served-models.ts'
import { keyVocabularyOf } from './compile-policies.ts'

/** What keys may name, as the configuration is when it is asked. */
export function keyNames(current: () => Config): Pick<KeysOptions, 'modelFault' | 'vocabulary'> {
  return {
    modelFault: pattern => unservedModel(pattern, current()),
    vocabulary: () => keyVocabularyOf(current()),
  }
}

/** What stands against a key's pattern of models; null = it fits a model that callers may name. */
function unservedModel(pattern: string, { models, passthrough }: Config): string | null {
  const names = Object.keys(models)
  if (passthrough.length > 0 || isServed(pattern, names)) return null
  const shown = names.length > 10 ? [...names.slice(0, 10), `${names.length - 10} more`] : names
  return `fits no model that is configured; there are: ${shown.join(', ') || 'none'}`
}
