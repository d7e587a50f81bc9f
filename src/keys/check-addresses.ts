import { type AddressLists, addressFault } from '#core/address-lists.ts'
import { parseCidr } from '#core/cidr.ts'
import { checkList, refuse } from './check-list.ts'

interface StoredLists {
  readonly cidrs: readonly string[] | null
  readonly deniedCidrs: readonly string[] | null
}

/** Throws `admin.invalid_input` for a malformed block, and for what can never apply, within `project` too where it is said. */
export function checkAddresses({ cidrs, deniedCidrs }: StoredLists, project?: StoredLists): void {
  for (const [name, blocks] of [['cidrs', cidrs] as const, ['denied_cidrs', deniedCidrs] as const]) {
    checkList(name, blocks, text => {
      const cidr = parseCidr(text)
      return typeof cidr === 'string' ? cidr : null
    })
  }
  const own: AddressLists = { allow: cidrs, deny: deniedCidrs }
  const fault = addressFault(own)
  if (fault !== null) refuse(`cidrs: ${fault}`)
  if (project === undefined) return
  const within = addressFault(own, { allow: project.cidrs, deny: project.deniedCidrs })
  if (within !== null) refuse(`cidrs: ${within}, as the addresses of its project are limited`)
}
