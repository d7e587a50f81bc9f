import type { Faults } from './faults.ts'
import type { Draft } from './rules.ts'

/** Refuses introspection that never happens, and opaque tokens of which nobody could say whose they are. */
export function checkIntrospection(draft: Draft, faults: Faults): void {
  const owners = new Map<string, string>()
  for (const [name, issuer] of Object.entries(draft.issuers ?? {})) {
    const introspection = issuer?.introspection
    if (introspection === undefined) continue
    const path = ['issuers', name, 'introspection']
    const { opaque, always, tokenPrefix } = introspection
    if (opaque === false) {
      if (always === false) faults.add(path, 'is never used: neither `opaque` nor `always` is set')
      if (tokenPrefix !== undefined) faults.add([...path, 'tokenPrefix'], 'must not be set where `opaque` is false')
      continue
    }
    const owner = owners.get(tokenPrefix ?? '')
    if (owner === undefined) owners.set(tokenPrefix ?? '', name)
    else if (tokenPrefix === undefined) {
      faults.add(path, `needs a \`tokenPrefix\`: opaque tokens without one are those of issuers.${owner}`)
    } else faults.add([...path, 'tokenPrefix'], `must differ from that of issuers.${owner}`)
  }
}
