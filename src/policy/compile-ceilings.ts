import { compileAddresses } from '#core/compile-addresses.ts'
import type { Ceilings } from '#core/principal.ts'
import { compileModels } from './check-model.ts'

/** Ceilings as they are stored; null = none of the kind. */
interface StoredCeilings {
  readonly scopes: readonly string[] | null
  readonly models: readonly string[] | null
  readonly operations: readonly string[] | null
  readonly cidrs: readonly string[] | null
}

/** What the checks of each call use. */
export function compileCeilings({ scopes, models, operations, cidrs }: StoredCeilings): Ceilings {
  return {
    scopes: scopes && new Set(scopes),
    operations: operations && new Set(operations),
    allowsModel: models && compileModels(models),
    allowsAddress: cidrs && compileAddresses(cidrs),
  }
}
