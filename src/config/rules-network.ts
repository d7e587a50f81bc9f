import { modelActions } from '#core/action.ts'
import { type AddressLists, addressFault } from '#core/address-lists.ts'
import { parseCidr } from '#core/cidr.ts'
import { actionsOfServices } from '#core/service-actions.ts'
import type { Faults, Path } from './faults.ts'
import { suggest } from './nearest.ts'
import type { Draft } from './rules.ts'
import { checkRequire } from './rules-require.ts'

/** Checks that lists of addresses can apply, and that what is said of proxies makes sense together. */
export function checkNetwork(draft: Draft, faults: Faults): void {
  checkProxies(draft, faults)
  // Of lists from which something is left out nothing more can be told.
  if (draft.access === undefined || ['allow', 'deny'].some(name => faults.has(['access', name]))) return
  const general = listsOf(draft.access)
  checkLists(['access'], faults, general)
  const known = [...modelActions, ...actionsOfServices(draft.services ?? {})].map(({ id }) => id)
  for (const [id, lists] of Object.entries(draft.access.operations ?? {})) {
    const path = ['access', 'operations', id]
    if (lists === undefined || faults.has(path)) continue
    if (!known.includes(id)) faults.add(path, operationFault(id, known, draft))
    const saysNothing = lists.allow === undefined && !lists.deny?.length && !lists.require?.length
    if (saysNothing) faults.add(path, 'says nothing: name `allow`, `deny` or `require`')
    checkLists(path, faults, listsOf(lists), general)
    checkRequire(draft, lists.require, [...path, 'require'], faults)
  }
}

function operationFault(id: string, known: readonly string[], { services }: Draft): string {
  const [service = ''] = id.split('.')
  if (Object.hasOwn(services ?? {}, service)) return `is of a service: say it at services.${service}`
  return `there is no operation of this name${suggest(id, known)}`
}

interface WrittenLists {
  readonly allow?: readonly string[] | undefined
  readonly deny?: readonly string[] | undefined
}

export function listsOf({ allow, deny }: WrittenLists): AddressLists {
  return { allow: allow ?? null, deny: deny ?? null }
}

/** Of lists that must hold together with others, the first are at fault. */
export function checkLists(path: Path, faults: Faults, ...lists: readonly [AddressLists, ...AddressLists[]]): void {
  const [{ allow }, ...others] = lists
  if (others.some(other => other.allow?.length === 0)) return
  if (allow?.length === 0) {
    faults.add([...path, 'allow'], 'an empty list allows nobody; leave it out')
    return
  }
  const fault = addressFault(...lists)
  if (fault !== null) faults.add(allow === null ? path : [...path, 'allow'], fault)
}

function checkProxies({ listeners }: Draft, faults: Faults): void {
  if (listeners?.public === undefined) return
  const { trustedProxies = [], forwarded, hops, proxyProtocol } = listeners.public
  const at = (name: string) => ['listeners', 'public', name]
  if (['trustedProxies', 'forwarded', 'proxyProtocol'].some(name => faults.has(at(name)))) return
  const isUsed = forwarded !== 'none' || proxyProtocol === 'required'
  if (isUsed && trustedProxies.length === 0) {
    faults.add(at('trustedProxies'), 'must name the proxies: nobody else’s word is taken')
  }
  if (!isUsed && trustedProxies.length > 0) {
    faults.add(at('trustedProxies'), 'does nothing: say with `forwarded` or `proxyProtocol` how they name the client')
  }
  for (const [i, text] of trustedProxies.entries()) {
    const cidr = parseCidr(text)
    if (typeof cidr !== 'string' && cidr.prefix === 0) {
      faults.add([...at('trustedProxies'), String(i)], 'trusts everybody: anyone could say where they call from')
    }
  }
  if (hops !== undefined && forwarded === 'none') faults.add(at('hops'), 'does nothing without `forwarded`')
}
