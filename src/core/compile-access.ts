import { isIP } from 'node:net'
import type { AddressLists } from './address-lists.ts'
import { parseCidr } from './cidr.ts'
import { compileAddresses } from './compile-addresses.ts'

/** Whether an address passes all of the lists; null = every one does. What one of them denies, no other saves. */
export function compileAccess(...lists: readonly AddressLists[]): ((address: string) => boolean) | null {
  const allows = lists.flatMap(({ allow }) => (allow === null ? [] : [compileAddresses(allow)]))
  const denied = lists.flatMap(({ deny }) => deny ?? [])
  if (denied.length === 0) {
    const [only, ...others] = allows
    if (only === undefined) return null
    return others.length === 0 ? only : address => allows.every(isAllowed => isAllowed(address))
  }
  // What was stored was checked; a denial that cannot be read might mean anybody.
  if (denied.some(text => typeof parseCidr(text) === 'string')) return () => false
  const isDenied = compileAddresses(denied)
  return address => isAddress(address) && !isDenied(address) && allows.every(isAllowed => isAllowed(address))
}

/** Of what is none it cannot be told that it is not denied. */
function isAddress(source: string): boolean {
  return isIP(source) !== 0
}
