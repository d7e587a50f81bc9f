/**
 * Names of the tags that policies read, by their texts; null = which ones cannot be told, so it may be any. A comment that speaks of
 * tags counts as well: what is named too much only asks operators for more.
 */
export function tagsRead(sources: readonly { readonly text: string }[]): ReadonlySet<string> | null {
  const names = sources.flatMap(({ text }) =>
    [...text.matchAll(/\b(?:getTag|hasTag)\b(?:\s*\(\s*"([A-Za-z0-9._-]*)"\s*\))?/g)].map(([, name]) => name),
  )
  const known = names.filter(name => name !== undefined)
  return known.length === names.length ? new Set(known) : null
}
