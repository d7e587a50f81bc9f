import type { Config } from '#config/schema.ts'
import { clientOf, type Principal, userOf } from '#core/principal.ts'
import type { Generation } from '#gateway/generation.ts'
import { type CompiledRules, type ConfiguredRules, compileRules } from '#limits/compile-rules.ts'
import { compileModels } from '#policy/check-model.ts'
import type { ModelTarget } from '#providers/catalog.ts'
import { SANDBOX_MAX_OUTPUT_TOKENS } from '#providers/sandbox/max-output.ts'
import { findModelFacts, type ModelFacts } from '#usage/prices.ts'

const NANO = 1e9
/** Models whose facts are remembered; a pattern such as `*` lets callers name any number. */
const MAX_MODELS = 1000

/** Limits, budgets and prices of one configuration, as calls use them. */
export function compileBounds(config: Config): Pick<Generation, 'rulesOf' | 'factsOf'> {
  return { rulesOf: compileRulesOf(configuredRules(config)), factsOf: compileFacts(config.models) }
}

function configuredRules({ limits, budgets }: Config): ConfiguredRules {
  const modelsOf = (patterns: readonly string[] | undefined) =>
    patterns === undefined ? null : compileModels(patterns)
  return {
    limits: Object.entries(limits).map(([name, { unit, amount, windowSeconds = 0, per, models, operations }]) => {
      const rule = { name, amount, per, models: modelsOf(models), operations: operations ? new Set(operations) : null }
      return unit === 'concurrency' ? { ...rule, unit } : { ...rule, unit, windowSeconds }
    }),
    budgets: Object.entries(budgets).map(([name, { unit, amount, period, per, models, alertAt }]) => ({
      name,
      unit,
      amount: unit === 'usd' ? Math.round(amount * NANO) : amount,
      period,
      per,
      models: modelsOf(models),
      alertAt: alertAt.map(percent => percent / 100),
    })),
  }
}

/** A caller's identity is one object for as long as its key is remembered. */
function compileRulesOf(configured: ConfiguredRules): Generation['rulesOf'] {
  const shared = compileRules(configured)
  const user = compileRules(configured, { hasUser: true })
  const client = compileRules(configured, { hasClient: true })
  const both = compileRules(configured, { hasUser: true, hasClient: true })
  const known = new WeakMap<Principal, CompiledRules>()
  return caller => {
    if (caller.token !== null) {
      const hasClient = clientOf(caller) !== null
      return userOf(caller) === null ? (hasClient ? client : shared) : hasClient ? both : user
    }
    if (caller.limits === null && caller.budgets === null) return shared
    const found = known.get(caller)
    if (found !== undefined) return found
    const rules = compileRules(configured, { limits: caller.limits, budgets: caller.budgets })
    known.set(caller, rules)
    return rules
  }
}

type Facts = Pick<ModelFacts, 'price' | 'maxOutputTokens'>

/** Costs nothing: it never leaves the machine. */
const SANDBOX: Facts = {
  price: { input: 0, cachedInput: 0, cacheWrite: 0, output: 0, request: 0 },
  maxOutputTokens: SANDBOX_MAX_OUTPUT_TOKENS,
}

function compileFacts(models: Config['models']): Generation['factsOf'] {
  const known = new Map<string, Facts>()
  return ({ alias, providerModel, sandbox }: ModelTarget) => {
    const id = `${alias} ${providerModel}`
    const found = known.get(id)
    if (found !== undefined) return found
    const facts = sandbox ? sandboxFacts(models[alias]) : modelFacts(models, alias, providerModel)
    if (known.size >= MAX_MODELS) known.clear()
    known.set(id, facts)
    return facts
  }
}

function sandboxFacts(model: Config['models'][string] | undefined): Facts {
  return { ...SANDBOX, maxOutputTokens: model?.maxOutputTokens ?? SANDBOX.maxOutputTokens }
}

/** What is known of the model `providerModel`, which callers reach by the name or pattern `alias`. */
export function modelFacts(models: Config['models'], alias: string, providerModel: string): ModelFacts {
  const { price, maxOutputTokens } = models[alias] ?? {}
  const isPriced = price?.input !== undefined && price.output !== undefined
  return findModelFacts(providerModel, {
    ...(isPriced && { price: { ...price, input: price.input, output: price.output } }),
    ...(maxOutputTokens !== undefined && { maxOutputTokens }),
  })
}
