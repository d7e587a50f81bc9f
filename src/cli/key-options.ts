import { budgetPeriods, budgetUnits, rateUnits } from '#core/key-bounds.ts'
import { Problem } from '#core/problems.ts'
import { toSeconds } from './arguments.ts'
import { type BindingOptions, readBinding } from './key-binding.ts'

/** The options of `keys create` and `keys update` that say what a key may do. */
interface SettingOptions extends BindingOptions {
  readonly role?: string[] | undefined
  readonly models?: string[] | undefined
  readonly scopes?: string[] | undefined
  readonly operations?: string[] | undefined
  readonly cidr?: string[] | undefined
  readonly 'deny-cidr'?: string[] | undefined
  readonly limit?: string[] | undefined
  readonly budget?: string[] | undefined
  readonly expires?: string | undefined
  readonly metadata?: string[] | undefined
}

/** The members of a body that they stand for; what is not named stays absent. Throws `cli.usage`. */
export function readSettings(options: SettingOptions): Record<string, unknown> {
  const { role, models, scopes, operations, cidr, limit, budget, expires, metadata } = options
  const denied = options['deny-cidr']
  const binding = readBinding(options)
  return {
    ...(role && { roles: readNames(role, 'none') }),
    ...(models && { models: readNames(models) }),
    ...(scopes && { scopes: readNames(scopes) }),
    ...(operations && { operations: readNames(operations) }),
    ...(cidr && { cidrs: readNames(cidr) }),
    ...(denied && { denied_cidrs: readNames(denied, 'none') }),
    ...(limit && { limits: unlessNone(limit, readLimit) }),
    ...(budget && { budgets: unlessNone(budget, readBudget) }),
    ...(binding !== undefined && { binding }),
    ...(expires !== undefined && { expires_in: toSeconds('--expires', expires) }),
    ...(metadata && { metadata: Object.fromEntries(unlessNone(metadata, readTag) ?? []) }),
  }
}

/** null = `all`, or what else says that there is no such list. */
function readNames(values: readonly string[], nothing = 'all'): string[] | null {
  const names = values.flatMap(value => value.split(',')).map(name => name.trim())
  return names.length === 1 && names[0] === nothing ? null : names
}

function unlessNone<T>(values: readonly string[], read: (value: string) => T): T[] | null {
  return values.length === 1 && values[0] === 'none' ? null : values.map(read)
}

/** `requests=20/1m`, `concurrency=5` */
function readLimit(text: string): object {
  const [, unit, amount, span] = /^([a-z_]+)=(\d+)(?:\/(\w+))?$/.exec(text) ?? []
  if (unit === 'concurrency' && span === undefined) return { unit, amount: Number(amount) }
  const seconds = span === undefined ? null : toSeconds(`--limit ${text}`, span)
  if (rateUnits.some(known => known === unit) && seconds !== null) {
    return { unit, amount: Number(amount), window_seconds: seconds }
  }
  throw new Problem('cli.usage', {
    detail: `--limit ${text}: write concurrency=5, or ${rateUnits.join(', ')} as in requests=20/1m.`,
  })
}

/** `usd=10/month` */
function readBudget(text: string): object {
  const [, unit, amount, period] = /^([a-z]+)=(\d+(?:\.\d+)?)\/([a-z]+)$/.exec(text) ?? []
  if (budgetUnits.some(known => known === unit) && budgetPeriods.some(known => known === period)) {
    return { unit, amount: Number(amount), period }
  }
  throw new Problem('cli.usage', {
    detail: `--budget ${text}: write ${budgetUnits.join(' or ')} and ${budgetPeriods.join(', ')}, as in usd=10/month.`,
  })
}

function readTag(text: string): readonly [string, string] {
  const at = text.indexOf('=')
  if (at < 1) throw new Problem('cli.usage', { detail: `--metadata ${text}: write NAME=VALUE.` })
  return [text.slice(0, at), text.slice(at + 1)]
}
