import type { Action } from '#core/action.ts'
import type { KeyBudget, KeyLimit } from '#core/key-bounds.ts'
import type { KeyRecord } from '#store/ports.ts'
import { checkAddresses } from './check-addresses.ts'
import { checkList, refuse } from './check-list.ts'
import type { KeyVocabulary } from './key-vocabulary.ts'
import { checkMetadata } from './metadata.ts'

/** What may be said of a key when it is made and later; null = no such ceiling. */
export type KeySettings = Pick<
  KeyRecord,
  'roles' | 'scopes' | 'models' | 'operations' | 'cidrs' | 'deniedCidrs' | 'limits' | 'budgets' | 'binding' | 'metadata'
>

export const NO_SETTINGS: KeySettings = {
  roles: null,
  scopes: null,
  models: null,
  operations: null,
  cidrs: null,
  deniedCidrs: null,
  limits: null,
  budgets: null,
  binding: null,
  metadata: {},
}

/**
 * Throws `admin.invalid_input` for what can never apply: an unknown scope, operation or role, a malformed pattern or block, a
 * ceiling that allows nothing, two bounds on one thing. A mistake must not become a key that is wider, or narrower, than meant.
 * Of names that the configuration gives only those of `changed` are looked up: what it has taken away since stops no other change.
 */
export function checkSettings(
  settings: KeySettings,
  { roles, actions }: KeyVocabulary,
  changed: Partial<KeySettings> = settings,
): void {
  const scopes = new Set(actions.flatMap(action => action.scopes))
  const ids = new Set(actions.map(({ id }) => id))
  checkNames('scopes', changed.scopes, 'scope', scopes)
  checkNames('operations', changed.operations, 'operation', ids)
  checkNames('roles', changed.roles, 'role', new Set(roles), 'gives nothing; leave it out')
  checkList('models', settings.models, modelFault)
  checkAddresses(settings)
  checkTogether(settings, actions)
  checkBounds('limits', settings.limits, limitKey)
  checkBounds('budgets', settings.budgets, budget => `${budget.unit} a ${budget.period}`)
  checkAmounts(settings)
  checkBinding(settings)
  checkMetadata(settings.metadata)
}

function checkNames(
  list: string,
  names: readonly string[] | null | undefined,
  noun: string,
  known: ReadonlySet<string>,
  empty?: string,
): void {
  const fault = `is no ${noun}; there are ${[...known].join(', ')}`
  checkList(list, names ?? null, name => (known.has(name) ? null : fault), empty)
}

/** Visible characters, as in names of models; a `*` beside another would say nothing more. */
function modelFault(text: string): string | null {
  if (!/^[^\s\p{C}]{1,256}$/u.test(text)) return 'is no name of a model, of 1 to 256 characters without spaces'
  return text.includes('**') ? 'has two stars in a row' : null
}

/** Scopes and operations must leave something to do. */
function checkTogether({ scopes, operations }: KeySettings, actions: readonly Action[]): void {
  if (scopes === null || operations === null) return
  for (const operation of operations) {
    const missing = actions.find(({ id }) => id === operation)?.scopes.find(scope => !scopes.includes(scope))
    if (missing !== undefined) refuse(`operations: ${operation} needs the scope ${missing}, which the key has not`)
  }
}

function limitKey(limit: KeyLimit): string {
  return limit.unit === 'concurrency' ? limit.unit : `${limit.unit} in ${limit.windowSeconds} s`
}

function checkBounds<B extends KeyLimit | KeyBudget>(
  name: string,
  bounds: readonly B[] | null,
  keyOf: (bound: B) => string,
): void {
  if (bounds === null) return
  if (bounds.length === 0) refuse(`${name}: an empty list says nothing; leave it out`)
  const keys = bounds.map(keyOf)
  const twice = keys.find((key, at) => keys.indexOf(key) !== at)
  if (twice !== undefined) refuse(`${name}: ${twice} is bounded twice`)
}

/** Money to the millionth of a dollar, everything else whole. */
function checkAmounts({ limits, budgets }: KeySettings): void {
  for (const { unit, amount } of [...(limits ?? []), ...(budgets ?? [])]) {
    const whole = unit === 'usd' ? Math.round(amount * 1e6) / 1e6 === amount : Number.isSafeInteger(amount)
    if (!(amount > 0) || !whole) {
      refuse(`${unit}: ${amount} is no amount; ${unit === 'usd' ? 'at most six decimals' : 'a whole number'} above 0`)
    }
  }
}

/** SHA-256 in base64url: 256 bits in 43 characters, of the last of which two bits are zero (RFC 7638 §3.1, RFC 8705 §3.1). */
const THUMBPRINT = /^[A-Za-z0-9_-]{42}[AEIMQUYcgkosw048]$/

function checkBinding({ binding }: KeySettings): void {
  if (binding === null || THUMBPRINT.test(binding.thumbprint)) return
  refuse(`binding: ${JSON.stringify(binding.thumbprint)} is no SHA-256 thumbprint in base64url, of 43 characters`)
}
