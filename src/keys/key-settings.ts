import { parseCidr } from '#core/cidr.ts'
import type { KeyBudget, KeyLimit } from '#core/key-bounds.ts'
import { isOperationId, isScope, scopes as knownScopes, operationScopes } from '#core/operations.ts'
import { Problem } from '#core/problems.ts'
import type { KeyRecord } from '#store/ports.ts'
import { checkMetadata } from './metadata.ts'

/** What may be said of a key when it is made and later; null = no such ceiling. */
export type KeySettings = Pick<
  KeyRecord,
  'scopes' | 'models' | 'operations' | 'cidrs' | 'limits' | 'budgets' | 'binding' | 'metadata'
>

export const NO_SETTINGS: KeySettings = {
  scopes: null,
  models: null,
  operations: null,
  cidrs: null,
  limits: null,
  budgets: null,
  binding: null,
  metadata: {},
}

/**
 * Throws `admin.invalid_input` for what can never apply: an unknown scope or operation, a malformed pattern or block, a
 * ceiling that allows nothing, two bounds on one thing. A mistake must not become a key that is wider, or narrower, than meant.
 */
export function checkSettings(settings: KeySettings): void {
  checkList('scopes', settings.scopes, text => (isScope(text) ? null : `is no scope; there are ${list(knownScopes)}`))
  checkList('operations', settings.operations, text =>
    isOperationId(text) ? null : `is no operation; there are ${list(Object.keys(operationScopes))}`,
  )
  checkList('models', settings.models, modelFault)
  checkList('cidrs', settings.cidrs, text => {
    const cidr = parseCidr(text)
    return typeof cidr === 'string' ? cidr : null
  })
  checkTogether(settings)
  checkBounds('limits', settings.limits, limitKey)
  checkBounds('budgets', settings.budgets, budget => `${budget.unit} a ${budget.period}`)
  checkAmounts(settings)
  checkBinding(settings)
  checkMetadata(settings.metadata)
}

function checkList(name: string, values: readonly string[] | null, faultOf: (text: string) => string | null): void {
  if (values === null) return
  if (values.length === 0) refuse(`${name}: an empty list allows nothing; leave it out, or disable the key`)
  if (new Set(values).size !== values.length) refuse(`${name}: a value stands twice`)
  for (const value of values) {
    const fault = faultOf(value)
    if (fault !== null) refuse(`${name}: ${JSON.stringify(value)} ${fault}`)
  }
}

/** Visible characters, as in names of models; a `*` beside another would say nothing more. */
function modelFault(text: string): string | null {
  if (!/^[^\s\p{C}]{1,256}$/u.test(text)) return 'is no name of a model, of 1 to 256 characters without spaces'
  return text.includes('**') ? 'has two stars in a row' : null
}

/** Scopes and operations must leave something to do. */
function checkTogether({ scopes, operations }: KeySettings): void {
  if (scopes === null || operations === null) return
  for (const operation of operations) {
    const scope = isOperationId(operation) ? operationScopes[operation] : ''
    if (!scopes.includes(scope)) refuse(`operations: ${operation} needs the scope ${scope}, which the key has not`)
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

function list(names: Iterable<string>): string {
  return [...new Set(names)].join(', ')
}

function refuse(detail: string): never {
  throw new Problem('admin.invalid_input', { detail: `${detail}.` })
}
