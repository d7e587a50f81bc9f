import { isDeepStrictEqual } from 'node:util'
import type { Policy } from './policy.ts'

/**
 * What differs between two sets of policies, one line each: `policies: added permit "editors"`. What may let more through than
 * before comes first, and says so: a half-written folder must not drop what forbids unseen.
 */
export function comparePolicies(before: readonly Policy[], after: readonly Policy[]): string[] {
  const [old, anew] = [before, after].map(policies => new Map(policies.map(policy => [policy.id, policy])))
  const ids = [...new Set([...before, ...after].map(({ id }) => id))]
  const lines = ids.map(id => compare(old?.get(id), anew?.get(id))).filter(line => line !== null)
  return lines.toSorted((a, b) => Number(isLoosening(b)) - Number(isLoosening(a)))
}

function isLoosening(line: string): boolean {
  return line.startsWith('policies: loosened')
}

function compare(before: Policy | undefined, after: Policy | undefined): string | null {
  if (before === undefined) return after === undefined ? null : `policies: added ${nameOf(after)}`
  const forbade = before.effect === 'forbid' && !before.shadow
  if (after === undefined) return `policies: ${forbade ? 'loosened: ' : ''}removed ${nameOf(before)}`
  const [same, loosened] = [isDeepStrictEqual(before.json, after.json), forbade && after.shadow]
  if (same && before.shadow === after.shadow) return null
  if (same) {
    const now = after.shadow ? 'is in shadow now' : 'is enforced now'
    return `policies: ${loosened ? 'loosened: ' : ''}${before.effect} "${after.id}" ${now}`
  }
  const what = nameOf(before) === nameOf(after) ? nameOf(after) : `${nameOf(before)}, now ${nameOf(after)}`
  // Whether the new one forbids less cannot be told.
  return `policies: ${forbade ? 'loosened, perhaps: ' : ''}changed ${what}`
}

function nameOf({ id, effect, shadow }: Policy): string {
  return `${shadow ? 'shadow ' : ''}${effect} "${id}"`
}
