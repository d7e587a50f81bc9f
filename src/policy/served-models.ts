import { compileModels } from './check-model.ts'

/**
 * Whether a pattern of a key can ever fit a name that callers may use. `names` are the configured ones, of which a `*`
 * at the end stands for any characters.
 */
export function isServed(pattern: string, names: readonly string[]): boolean {
  const fits = compileModels([pattern])
  const beginning = pattern.includes('*') ? pattern.slice(0, pattern.indexOf('*')) : null
  return names.some(name => {
    if (!name.endsWith('*')) return fits(name)
    const prefix = name.slice(0, -1)
    // What follows the pattern's first star can follow the prefix too.
    return beginning === null
      ? pattern.startsWith(prefix)
      : beginning.startsWith(prefix) || prefix.startsWith(beginning)
  })
}
