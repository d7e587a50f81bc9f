import { type KnownModel, vendors } from './known-models.ts'
import { type Price, type PriceInUsd, toPrice } from './price.ts'

/** What is known of a model, from the configuration or from the prices that come with the program. */
export interface ModelFacts {
  /** null = none is known. */
  readonly price: Price | null
  /** The most that it writes in one answer, in tokens; null = not known. */
  readonly maxOutputTokens: number | null
  /** Input and output together, in tokens; null = not known. */
  readonly contextTokens: number | null
}

/** What the configuration says of a model. */
export interface ModelOverride {
  /** In place of the whole price that comes with the program. */
  readonly price?: PriceInUsd | undefined
  readonly maxOutputTokens?: number | undefined
}

const known = new Map<string, KnownModel>(vendors.flatMap(({ models }) => Object.entries(models)))

/** Whether a model is in the list by this very name. */
export function isListed(providerModel: string): boolean {
  return known.has(providerModel)
}

/** How the vendors name a snapshot of a model: a date, a number of three digits, or the newest. */
const SNAPSHOT = /(?:-\d{4}-\d\d-\d\d|[-@]20\d{6}|-latest|-00\d)$/

/**
 * The facts of a model by its name at the provider: of that very name, else of the name of which it is a snapshot. Any
 * other name that begins alike is another model, which may cost something else. An override's price counts whole.
 */
export function findModelFacts(providerModel: string, override: ModelOverride = {}): ModelFacts {
  const found = known.get(providerModel) ?? known.get(providerModel.replace(SNAPSHOT, ''))
  const price = override.price ?? found?.price
  return {
    price: price === undefined ? null : toPrice(price, cacheWriteFactorOf(providerModel)),
    maxOutputTokens: override.maxOutputTokens ?? found?.maxOutputTokens ?? null,
    contextTokens: found?.contextTokens ?? null,
  }
}

function cacheWriteFactorOf(providerModel: string): number {
  const vendor = vendors.find(({ prefixes }) => prefixes.some(prefix => providerModel.startsWith(prefix)))
  return vendor?.cacheWriteFactor ?? 1
}
