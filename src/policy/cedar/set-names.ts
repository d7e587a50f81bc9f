import { loadCedar } from './load-cedar.ts'

// Cedar keeps each set of policies that was parsed under its name, for as long as the thread lives: names are used again.
const free: string[] = []
let made = 0

/** A name under which this thread keeps no set in use. */
export function takeSetName(): string {
  return free.pop() ?? `set-${++made}`
}

/** Gives up the set of a name. */
export function giveSetName(name: string): void {
  loadCedar().preparsePolicySet(name, { staticPolicies: {} })
  free.push(name)
}

/** Names made so far by this thread. */
export function setNamesMade(): number {
  return made
}
