import type { AddressLists } from '#core/address-lists.ts'
import { compileAccess } from '#core/compile-access.ts'
import type { Ceilings } from '#core/principal.ts'
import type { CallKey } from '#store/ports.ts'
import { compileModels } from './check-model.ts'

/** Ceilings as they are stored; null = none of the kind. */
interface StoredCeilings {
  readonly scopes: readonly string[] | null
  readonly models: readonly string[] | null
  readonly operations: readonly string[] | null
  readonly addresses: readonly AddressLists[]
}

/** What the checks of each call use. */
export function compileCeilings({ scopes, models, operations, addresses }: StoredCeilings): Ceilings {
  return {
    scopes: scopes && new Set(scopes),
    operations: operations && new Set(operations),
    allowsModel: models && compileModels(models),
    allowsAddress: compileAccess(...addresses),
  }
}

/** Those of a key, which its project bounds too. */
export function compileKeyCeilings({
  cidrs,
  deniedCidrs,
  projectAddresses,
  ...key
}: Pick<CallKey, 'scopes' | 'models' | 'operations' | 'cidrs' | 'deniedCidrs' | 'projectAddresses'>): Ceilings {
  return compileCeilings({ ...key, addresses: [{ allow: cidrs, deny: deniedCidrs }, projectAddresses] })
}
