import { stringify } from 'yaml'
import { usualVariables } from './built-in.ts'
import type { Config } from './schema.ts'

/**
 * The effective configuration as a file that would load to the same: defaults written out, secrets as their references,
 * as a `Config` holds nothing else of them.
 */
export function showConfig(config: Config): string {
  const { passthrough, policySources: _, ...members } = config
  const derived = passthrough.map(
    ({ format, provider }) =>
      `# Live keys reach every model of the provider "${provider}", because ${usualVariables[format]} is set and the file does not mention it.\n`,
  )
  return derived.join('') + stringify(members, { lineWidth: 0, aliasDuplicateObjects: false })
}
