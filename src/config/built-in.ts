import { isObject } from './complete.ts'
import type { Faults } from './faults.ts'
import type { Config, WireFormat } from './schema.ts'
import type { Environment } from './variables.ts'

/** Providers that exist as soon as the variable with their usual API key is set. */
export const usualVariables: Readonly<Record<WireFormat, string>> = {
  openai: 'OPENAI_API_KEY',
  anthropic: 'ANTHROPIC_API_KEY',
  gemini: 'GEMINI_API_KEY',
}

/**
 * Adds the sandbox and the providers of usual variables to what the file says; what the file names itself stays as it is.
 * Returns the formats whose every model is thereby open: none where the file lists models, because then that list is
 * what callers may name.
 */
export function addBuiltIns(tree: Record<string, unknown>, env: Environment, faults: Faults): Config['passthrough'] {
  const open = tree.models === undefined
  const providers = copy(tree.providers ?? {})
  const models = copy(tree.models ?? {})
  if (providers === undefined || models === undefined) return []
  Object.assign(tree, { providers, models })
  if (tree.sandbox !== false) {
    if (!Object.hasOwn(providers, 'sandbox')) providers.sandbox = { format: 'sandbox' }
    if (!Object.hasOwn(models, 'sandbox')) models.sandbox = { provider: 'sandbox' }
  }
  const used = new Set(Object.values(providers).map(provider => (isObject(provider) ? provider.credential : undefined)))
  const passthrough: Config['passthrough'][number][] = []
  for (const format of Object.keys(usualVariables) as WireFormat[]) {
    const variable = usualVariables[format]
    // A credential that the file gives to a provider of its own is the file's business alone.
    if (!env[variable] || Object.hasOwn(providers, format) || used.has(`env:${variable}`)) continue
    providers[format] = { format, credential: `env:${variable}` }
    faults.setPlace(['providers', format], { variable })
    if (open) passthrough.push({ format, provider: format })
  }
  return passthrough
}

function copy(members: unknown): Record<string, unknown> | undefined {
  return isObject(members) ? { ...members } : undefined
}
