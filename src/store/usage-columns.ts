import { type UsageDelta, usageCounts } from '#core/usage-delta.ts'

/** The columns of `usage_hours` that tell groups apart, each with its member of `UsageDelta`. */
const GROUPS = {
  hour: 'hour',
  project_id: 'project',
  key_id: 'key',
  user_id: 'user',
  model: 'model',
  provider: 'provider',
  environment: 'environment',
} as const satisfies Readonly<Record<string, keyof UsageDelta>>

export const groupColumns = Object.keys(GROUPS)

/** In the order of `usageCounts`: `cachedInput` is `cached_input`. */
export const countColumns = usageCounts.map(name => name.replace(/[A-Z]/g, letter => `_${letter.toLowerCase()}`))

/** What a batch adds, as rows that a database reads as JSON: an array each, in the order of the columns. */
export function usageJson(usage: readonly UsageDelta[]): string {
  const members = [...Object.values(GROUPS), ...usageCounts]
  return JSON.stringify(usage.map(delta => members.map(member => delta[member])))
}

/** `insert into usage_hours …` up to what is inserted. */
export const insertUsage = `insert into usage_hours (${[...groupColumns, ...countColumns].join(', ')})`

/** What follows it: groups that are there grow, at most to what every number is exact up to. `lesser` = the function's name. */
export function addUsage(lesser: 'min' | 'least'): string {
  const sums = countColumns.map(
    name => `${name} = ${lesser}(usage_hours.${name} + excluded.${name}, ${Number.MAX_SAFE_INTEGER})`,
  )
  return `on conflict (${groupColumns.join(', ')}) do update set ${sums.join(', ')}`
}
