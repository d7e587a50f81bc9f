import { describe, type Principal, type VerifiedIdentity } from '#core/principal.ts'
import { Problem } from '#core/problems.ts'

/** Throws `policy.model`. `model` is the name that the caller uses. */
export function checkModel(principal: Principal, model: string): void {
  const refusal = modelRefusal(principal, model)
  if (refusal !== null) throw refusal
}

/** What `checkModel` throws; null = nothing. */
export function modelRefusal(principal: VerifiedIdentity, model: string): Problem | null {
  if (mayUseModel(principal, model)) return null
  return new Problem('policy.model', { detail: `The ${describe(principal)} may not use the model ${model}.` })
}

export function mayUseModel(principal: VerifiedIdentity, model: string): boolean {
  const allows = principal.ceilings.allowsModel
  return allows === null || allows(model)
}

/**
 * Whether a name fits one of the patterns, in which `*` stands for any characters, also none; every other one for itself.
 * Never goes back over the name: its time is bounded by the lengths of name and pattern together.
 */
export function compileModels(patterns: readonly string[]): (model: string) => boolean {
  const exact = new Set(patterns.filter(pattern => !pattern.includes('*')))
  const globs = patterns.filter(pattern => pattern.includes('*')).map(pattern => pattern.split('*'))
  return model => exact.has(model) || globs.some(pieces => fits(model, pieces))
}

function fits(model: string, pieces: readonly string[]): boolean {
  const [first = '', last = ''] = [pieces[0], pieces.at(-1)]
  if (model.length < first.length + last.length || !model.startsWith(first) || !model.endsWith(last)) return false
  const end = model.length - last.length
  let at = first.length
  for (const piece of pieces.slice(1, -1)) {
    const found = model.indexOf(piece, at)
    if (found === -1) return false
    at = found + piece.length
  }
  return at <= end
}
