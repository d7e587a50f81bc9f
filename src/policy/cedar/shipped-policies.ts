import { readFileSync } from 'node:fs'
import type { PolicySource } from '#policy/decision.ts'

/** The policies that come with the gateway. Operators add to them, and forbid what these permit. */
export function shippedPolicies(): PolicySource[] {
  return ['callers.cedar', 'roles.cedar'].map(file => ({
    file,
    text: readFileSync(new URL(`./shipped/${file}`, import.meta.url), 'utf8'),
  }))
}
