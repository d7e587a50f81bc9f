import type { KeyBudget, KeyLimit } from '#core/key-bounds.ts'
import { type CompiledLimit, compileBudget, compileConcurrency, compileRate } from './compiled-limit.ts'
import type { BudgetRule, ConcurrencyRule, Dimension, RateRule } from './rules.ts'

const NANO = 1e9

export interface ConfiguredRules {
  readonly limits: readonly (RateRule | ConcurrencyRule)[]
  readonly budgets: readonly BudgetRule[]
}

/** What bounds calls, in the order in which it is committed. */
export interface StagedRules {
  /** What is decided before the model is known. */
  readonly admit: readonly CompiledLimit[]
  readonly reserve: readonly CompiledLimit[]
}

/** All that bounds the calls of one key. Compiled once a key and configuration. */
export interface CompiledRules extends StagedRules {
  /** What bounds calls to services, which name no model and use no tokens: rates of requests, and calls at once. */
  readonly ofServices: StagedRules
  /** What bounds calls that another proxy passes on: how long these last nobody here knows. */
  readonly ofDecisions: StagedRules
}

/** Whom calls are made by, as far as rules differ by it. */
export interface CallerKind {
  /** Bounds of the key's own. */
  readonly limits?: readonly KeyLimit[] | null
  readonly budgets?: readonly KeyBudget[] | null
  readonly hasUser?: boolean
  readonly hasClient?: boolean
}

/** The rules of the configuration, then those of the key. */
export function compileRules({ limits, budgets }: ConfiguredRules, caller: CallerKind = {}): CompiledRules {
  const isAbout = ({ per }: { readonly per: readonly Dimension[] }) =>
    (caller.hasUser || !per.includes('user')) && (caller.hasClient || !per.includes('client'))
  const { limits: keyLimits, budgets: keyBudgets } = caller
  const compiled = [
    ...limits.filter(isAbout).map(rule => compileLimit('config', rule)),
    ...tightest((keyLimits ?? []).map(ruleOfKey)).map(rule => compileLimit('key', rule)),
    ...budgets.filter(isAbout).map(rule => compileBudget('config', rule)),
    ...tightest((keyBudgets ?? []).map(budgetOfKey)).map(rule => compileBudget('key', rule)),
  ]
  const isFirst = (limit: CompiledLimit) =>
    !limit.needsModel && (limit.kind === 'concurrency' || (limit.kind === 'rate' && limit.unit === 'requests'))
  const admit = compiled.filter(isFirst)
  const reserve = compiled.filter(limit => !isFirst(limit))
  const isOfRequests = (limit: CompiledLimit) => limit.kind === 'durable-rate' && limit.unit === 'requests'
  const ofServices = { admit, reserve: reserve.filter(limit => isOfRequests(limit) && !limit.needsModel) }
  const ofDecisions = { ...ofServices, admit: admit.filter(({ kind }) => kind !== 'concurrency') }
  return { admit, reserve, ofServices, ofDecisions }
}

function compileLimit(origin: 'config' | 'key', rule: RateRule | ConcurrencyRule): CompiledLimit {
  return rule.unit === 'concurrency' ? compileConcurrency(origin, rule) : compileRate(origin, rule)
}

function ruleOfKey(limit: KeyLimit): RateRule | ConcurrencyRule {
  const rule = { per: ['key'] as const, models: null, operations: null, amount: limit.amount }
  return limit.unit === 'concurrency'
    ? { ...rule, name: 'key-concurrency', unit: limit.unit }
    : {
        ...rule,
        name: `key-${limit.unit}-${limit.windowSeconds}`,
        unit: limit.unit,
        windowSeconds: limit.windowSeconds,
      }
}

function budgetOfKey({ unit, amount, period }: KeyBudget): BudgetRule {
  return {
    name: `key-${unit}-${period}`,
    unit,
    amount: Math.min(unit === 'usd' ? Math.round(amount * NANO) : amount, Number.MAX_SAFE_INTEGER),
    period,
    per: ['key'],
    models: null,
    alertAt: [],
  }
}

/** Of rules that count the same, the one that allows least. */
function tightest<T extends { readonly name: string; readonly amount: number }>(rules: readonly T[]): readonly T[] {
  const kept = new Map<string, T>()
  for (const rule of rules) {
    const other = kept.get(rule.name)
    if (other === undefined || rule.amount < other.amount) kept.set(rule.name, rule)
  }
  return [...kept.values()]
}
