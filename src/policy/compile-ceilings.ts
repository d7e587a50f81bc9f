import { compileAddresses } from '#core/compile-addresses.ts'
import { isOperationId, isScope } from '#core/operations.ts'
import type { Ceilings } from '#core/principal.ts'
import { compileModels } from './check-model.ts'

/** Ceilings as they are stored; null = none of the kind. */
interface StoredCeilings {
  readonly scopes: readonly string[] | null
  readonly models: readonly string[] | null
  readonly operations: readonly string[] | null
  readonly cidrs: readonly string[] | null
}

/** What the checks of each call use. A name that this version does not know allows nothing. */
export function compileCeilings({ scopes, models, operations, cidrs }: StoredCeilings): Ceilings {
  return {
    scopes: scopes && new Set(scopes.filter(isScope)),
    operations: operations && new Set(operations.filter(isOperationId)),
    allowsModel: models && compileModels(models),
    allowsAddress: cidrs && compileAddresses(cidrs),
  }
}
