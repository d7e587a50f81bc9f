import { readFileSync } from 'node:fs'
import { parsePolicies } from './parse-policies.ts'
import type { Policy } from './policy.ts'

/** The policies that come with the gateway. Operators add to them, and forbid what these permit. */
export function shippedPolicies(): readonly Policy[] {
  const sources = ['callers.cedar', 'roles.cedar'].map(file => ({
    file,
    text: readFileSync(new URL(`./shipped/${file}`, import.meta.url), 'utf8'),
  }))
  return parsePolicies(sources, true).policies
}
