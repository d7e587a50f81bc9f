import type { Config } from '#config/schema.ts'
import type { ModelEntry } from '#providers/catalog.ts'

/** The models of a configuration, and those that providers of variables leave open. */
export function compileModelEntries(config: Pick<Config, 'models' | 'passthrough'>): ModelEntry[] {
  const models = Object.entries(config.models).map(([alias, { provider, model, maxOutputTokens }]) => ({
    alias,
    model: model ?? null,
    provider,
    maxOutputTokens: maxOutputTokens ?? null,
  }))
  const passthrough = config.passthrough.map(({ provider }) => ({ alias: '*', model: null, provider }))
  return [...models, ...passthrough]
}
