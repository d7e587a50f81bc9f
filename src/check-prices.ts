import type { Config } from '#config/schema.ts'
import { Problem } from '#core/problems.ts'
import { compileModels } from '#policy/check-model.ts'
import { modelFacts } from './compile-bounds.ts'

/**
 * Throws `config.invalid` where a budget in money is about a model of which no price is known. Models that a pattern lets
 * callers name are known only when they are named: a call to one without a price is then refused.
 */
export function checkPrices({ budgets, models, providers }: Config): void {
  const faults: string[] = []
  for (const [name, budget] of Object.entries(budgets)) {
    if (budget.unit !== 'usd') continue
    const covers = budget.models === undefined ? () => true : compileModels(budget.models)
    for (const [alias, { provider, model }] of Object.entries(models)) {
      const isFree = providers[provider]?.format === 'sandbox'
      if (alias.endsWith('*') || isFree || !covers(alias)) continue
      if (modelFacts(models, alias, model ?? alias).price !== null) continue
      faults.push(
        `models.${alias}.price: is missing: the budget ${name} is in dollars, and no price of this model is known`,
      )
    }
  }
  if (faults.length > 0) throw new Problem('config.invalid', { detail: faults.join('\n') })
}
