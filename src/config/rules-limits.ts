import { operationScopes } from '#core/operations.ts'
import { actionsOfServices } from '#core/service-actions.ts'
import type { Faults, Path } from './faults.ts'
import { suggest } from './nearest.ts'
import type { Draft } from './rules.ts'

type LimitDraft = NonNullable<NonNullable<Draft['limits']>[string]>
type BudgetDraft = NonNullable<NonNullable<Draft['budgets']>[string]>
type PriceDraft = NonNullable<NonNullable<NonNullable<Draft['models']>[string]>['price']>

/** Where usd are given to the billionth in a safe integer. */
const MAX_USD = 9_000_000

/** Refuses limits and budgets that can never apply: a mistake must not pass for a bound. `open` = every model may be named. */
export function checkLimits(draft: Draft, open: boolean, faults: Faults): void {
  for (const [name, limit] of Object.entries(draft.limits ?? {})) {
    if (limit === undefined) continue
    checkWindow(limit, ['limits', name], faults)
    checkDimensions(limit.per, draft, ['limits', name, 'per'], faults)
    checkModels(limit.models, draft, open, ['limits', name, 'models'], faults)
    checkOperations(limit, draft, ['limits', name], faults)
  }
  for (const [name, budget] of Object.entries(draft.budgets ?? {})) {
    if (budget === undefined) continue
    checkAmount(budget, ['budgets', name, 'amount'], faults)
    checkDimensions(budget.per, draft, ['budgets', name, 'per'], faults)
    checkModels(budget.models, draft, open, ['budgets', name, 'models'], faults)
  }
  for (const [alias, model] of Object.entries(draft.models ?? {})) {
    checkPrice(model?.price ?? {}, ['models', alias, 'price'], faults)
  }
}

/** A price counts whole, in place of the shipped one: of a part nobody would know what the rest costs. */
function checkPrice(price: PriceDraft, path: Path, faults: Faults): void {
  if (Object.values(price).every(member => member === undefined)) return
  for (const member of ['input', 'output'] as const) {
    if (price[member] === undefined) {
      faults.add([...path, member], 'is missing: a price names both `input` and `output`, and counts whole')
    }
  }
}

function checkWindow({ unit, windowSeconds }: LimitDraft, path: Path, faults: Faults): void {
  if (unit === undefined) return
  if (unit === 'concurrency' && windowSeconds !== undefined) {
    faults.add([...path, 'windowSeconds'], 'must not be set: calls at once have no window')
  }
  if (unit !== 'concurrency' && windowSeconds === undefined) {
    faults.add([...path, 'windowSeconds'], `is missing: how many seconds the ${unit} are counted over`)
  }
}

function checkDimensions(per: LimitDraft['per'], draft: Draft, path: Path, faults: Faults): void {
  const ofTokens = per?.find(dimension => dimension === 'user' || dimension === 'client')
  if (ofTokens === undefined || Object.keys(draft.issuers ?? {}).length > 0) return
  faults.add(path, `must not contain "${ofTokens}": only calls made with tokens have one, and there are no \`issuers\``)
}

function checkAmount({ unit, amount }: BudgetDraft, path: Path, faults: Faults): void {
  if (amount === undefined) return
  if (unit === 'tokens' && !Number.isInteger(amount)) faults.add(path, 'must be a whole number of tokens')
  if (unit !== 'usd') return
  if (amount > MAX_USD) faults.add(path, `must be at most ${MAX_USD} dollars`)
  else if (Math.round(amount * 1e6) / 1e6 !== amount) faults.add(path, 'must have at most six decimals')
}

/** Refuses patterns that no configured model fits. `open` = every model may be named. */
export function checkModels(
  patterns: readonly string[] | undefined,
  draft: Draft,
  open: boolean,
  path: Path,
  faults: Faults,
): void {
  if (patterns?.length === 0) faults.add(path, 'must name a model, or be left out')
  if (open) return
  const aliases = Object.keys(draft.models ?? {})
  for (const [index, pattern] of (patterns ?? []).entries()) {
    if (!aliases.some(alias => canMatch(pattern, alias))) {
      faults.add([...path, String(index)], `there is no model of this name${suggest(pattern, aliases)}`)
    }
  }
}

/** Whether there is a name that both the pattern, which may have a `*` anywhere, and the alias, at its end, stand for. */
export function canMatch(pattern: string, alias: string): boolean {
  const [head = '', ...rest] = pattern.split('*')
  if (alias.endsWith('*')) {
    const prefix = alias.slice(0, -1)
    return head.startsWith(prefix) || (rest.length > 0 && prefix.startsWith(head))
  }
  const regex = pattern.split('*').map(piece => RegExp.escape(piece))
  return new RegExp(`^${regex.join('.*')}$`, 'su').test(alias)
}

/** Ids of operations that name no model, and use no tokens. */
const withoutModel = new Set(
  Object.entries(operationScopes)
    .filter(([, scope]) => scope === 'models:read')
    .map(([id]) => id),
)

function checkOperations(
  { operations, unit, per, models }: LimitDraft,
  draft: Draft,
  path: Path,
  faults: Faults,
): void {
  if (operations === undefined) return
  const inside = [...path, 'operations']
  const ofServices = actionsOfServices(draft.services ?? {}).map(({ id }) => id)
  const known = [...Object.keys(operationScopes), ...ofServices]
  if (operations.length === 0) faults.add(inside, 'must name an operation, or be left out')
  for (const [index, operation] of operations.entries()) {
    if (!known.includes(operation)) {
      faults.add([...inside, String(index)], `there is no operation of this name${suggest(operation, known)}`)
    }
  }
  const useNoModel = operations.every(operation => withoutModel.has(operation) || ofServices.includes(operation))
  if (operations.length === 0 || !useNoModel) return
  const needsModel = models !== undefined || per?.includes('model') || unit?.endsWith('tokens')
  if (needsModel) faults.add(inside, 'can never apply: these operations name no model and use no tokens')
}
