import type { Send } from '#core/exchange.ts'
import { Problem } from '#core/problems.ts'
import type { Secret } from '#core/secret.ts'
import type { FormatName } from './wire-format.ts'

/** A configured provider, ready to be sent to. */
export interface Provider {
  readonly name: string
  /** null = the sandbox, which speaks them all. */
  readonly format: FormatName | null
  /** Tagged `test`: test keys may use it. */
  readonly test: boolean
  readonly credential: Secret | null
  /** The one before it, which the provider may still take: until when, in ms since the epoch. */
  readonly previousCredential?: { readonly secret: Secret; readonly until: number } | null
  /** Name of the issuer whose tokens it takes, the caller's own, instead of a credential of the operator's; null = of none. */
  readonly callerTokenOf?: string | null
  /** Path below which the provider's API lies; empty or without a slash at its end. */
  readonly basePath: string
  /** Of a chat stream that does not ask for its use: `ask` for it, the default, or `leave` it as it is. */
  readonly streamUsage?: 'ask' | 'leave'
  /** By which name a chat's maximum of output tokens is asked for; default `max_completion_tokens`. */
  readonly maxTokensMember?: 'max_completion_tokens' | 'max_tokens'
  readonly send: Send
}

/** Where a call to a model goes. */
export interface ModelTarget {
  /** Name or pattern of the configuration that it was found by. */
  readonly alias: string
  /** As the caller named it. */
  readonly model: string
  /** As the provider names it. */
  readonly providerModel: string
  readonly provider: Provider
  readonly test: boolean
  readonly sandbox: boolean
  /** Most tokens that one answer may have, enforced on each request; null = what the provider allows. */
  readonly maxOutputTokens: number | null
}

export interface ModelEntry {
  /** Public name; with `*` at its end any name that begins so. */
  readonly alias: string
  /** Name at the provider; null = the same. */
  readonly model: string | null
  readonly provider: string
  /** null = not bounded here, as where it is left out. */
  readonly maxOutputTokens?: number | null
}

/** Models by public name: what `model` in a request may be. */
export interface Catalog {
  /** Throws `model.not_found` or `model.wrong_format`. */
  find(model: string, format: FormatName): ModelTarget
  /** The model of this name, whatever its format; null = there is none. */
  lookUp(model: string): ModelTarget | null
  /** The models with a name of their own, in the order of the configuration. */
  readonly named: readonly ModelTarget[]
}

export function createCatalog(providers: readonly Provider[], models: readonly ModelEntry[]): Catalog {
  const byName = new Map(providers.map(provider => [provider.name, provider]))
  const targetOf = (entry: ModelEntry, model: string): ModelTarget => {
    const provider = byName.get(entry.provider)
    if (provider === undefined) throw new Error(`model ${entry.alias} names no provider: ${entry.provider}`)
    return {
      alias: entry.alias,
      model,
      providerModel: entry.model ?? model,
      provider,
      test: provider.test,
      sandbox: provider.format === null,
      maxOutputTokens: entry.maxOutputTokens ?? null,
    }
  }
  const named = models.filter(entry => !entry.alias.endsWith('*')).map(entry => targetOf(entry, entry.alias))
  const exact = new Map(named.map(target => [target.model, target]))
  const patterns = models
    .filter(entry => entry.alias.endsWith('*'))
    .map(entry => ({ entry, prefix: entry.alias.slice(0, -1) }))
    // The longest prefix is the most particular.
    .sort((a, b) => b.prefix.length - a.prefix.length)

  return {
    named,
    lookUp(model) {
      const pattern = patterns.find(({ prefix }) => model.startsWith(prefix))
      return exact.get(model) ?? (pattern === undefined ? null : targetOf(pattern.entry, model))
    },
    find(model, format) {
      const target = exact.get(model)
      if (target !== undefined) {
        if (speaks(target.provider, format)) return target
        throw wrongFormat(target)
      }
      const matching = patterns.filter(({ prefix }) => model.startsWith(prefix))
      for (const { entry } of matching) {
        const candidate = targetOf(entry, model)
        if (speaks(candidate.provider, format)) return candidate
      }
      const [other] = matching
      if (other !== undefined) throw wrongFormat(targetOf(other.entry, model))
      throw new Problem('model.not_found', {
        detail: `The model ${JSON.stringify(model.slice(0, 128))} does not exist.`,
      })
    },
  }
}

function speaks(provider: Provider, format: FormatName): boolean {
  return provider.format === null || provider.format === format
}

const ENDPOINTS: Record<FormatName, string> = {
  openai: '/v1/chat/completions or /v1/responses',
  anthropic: '/v1/messages',
  gemini: '/v1beta/models/{model}:generateContent',
}

function wrongFormat(target: ModelTarget): Problem {
  const { format } = target.provider
  return new Problem('model.wrong_format', {
    detail: `The model ${target.model} is called at ${format === null ? 'any endpoint' : ENDPOINTS[format]}.`,
  })
}
