import type { TokenUsage } from '#core/usage.ts'

const MAX = Number.MAX_SAFE_INTEGER

export const NO_USAGE: TokenUsage = {
  input: 0,
  cachedInput: 0,
  cacheWrite: 0,
  output: 0,
  reasoning: 0,
  audioInput: 0,
  audioOutput: 0,
  imageInput: 0,
  imageOutput: 0,
}

/**
 * A number of tokens as a provider may write it: a number or a number as text, rounded up, at most 2^53 - 1.
 * null = it says none: missing, negative, not a number.
 */
export function count(value: unknown): number | null {
  const number = typeof value === 'string' && value.trim() !== '' ? Number(value) : value
  if (typeof number !== 'number' || Number.isNaN(number) || number < 0) return null
  return Math.min(Math.ceil(number), MAX)
}

/** The sum of those that were said; null = none was. */
export function sum(...counts: readonly (number | null)[]): number | null {
  let total: number | null = null
  for (const value of counts) if (value !== null) total = Math.min((total ?? 0) + value, MAX)
  return total
}

/** The first that was said, 0 if none was. */
export function first(...values: readonly unknown[]): number {
  for (const value of values) {
    const number = count(value)
    if (number !== null) return number
  }
  return 0
}

/** The member of what may be no object. */
export function member(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>)[name] : undefined
}

/** No part is more than what it is a part of. */
export function fitParts(usage: TokenUsage): TokenUsage {
  const { input, output } = usage
  const cachedInput = Math.min(usage.cachedInput, input)
  return {
    input,
    cachedInput,
    cacheWrite: Math.min(usage.cacheWrite, input - cachedInput),
    output,
    reasoning: Math.min(usage.reasoning, output),
    audioInput: Math.min(usage.audioInput, input),
    audioOutput: Math.min(usage.audioOutput, output),
    imageInput: Math.min(usage.imageInput, input),
    imageOutput: Math.min(usage.imageOutput, output),
  }
}
