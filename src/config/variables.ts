import { isObject } from './complete.ts'
import type { Faults, Path } from './faults.ts'
import { suggest } from './nearest.ts'
import { parseVariable } from './parse.ts'
import { configSchema } from './schema.ts'
import type { SchemaNode } from './shape.ts'

export type Environment = Readonly<Record<string, string | undefined>>

/** Variables that are not members of the configuration. */
const RESERVED_VARIABLES = [
  'OSTIARY_CONFIG',
  'OSTIARY_DATA_DIR',
  'OSTIARY_KEY_ENCRYPTION_KEY',
  'OSTIARY_TOKEN',
  'OSTIARY_TOKEN_FILE',
] as const

/** A leaf of the schema and the variable that overrides it. */
export interface Variable {
  readonly name: string
  readonly path: Path
  readonly node: SchemaNode
}

/**
 * Writes the values of set variables into the tree, but for those in `done`, and adds them there. A variable that names
 * two members is refused, as is an unreadable value.
 */
export function applyVariables(
  tree: Record<string, unknown>,
  env: Environment,
  faults: Faults,
  done: Set<string>,
): void {
  const byName = Map.groupBy(listVariables(configSchema, tree), variable => variable.name)
  for (const [name, variables] of byName) {
    const text = env[name]
    if (text === undefined || done.has(name)) continue
    done.add(name)
    const paths = new Map(variables.map(variable => [variable.path.join('\0'), variable]))
    if (paths.size > 1) {
      const names = [...paths.values()].map(({ path }) => path.join('.')).join(' and ')
      faults.addAt({ variable: name }, `is ambiguous: it names ${names}; set them in the file`)
      continue
    }
    // Members of one path differ by branch of a union (`baseUrl` of each format), but never in how they are read.
    const { path, node } = variables[0] as Variable
    const value = node.type === 'string' ? { value: text } : parseVariable(text)
    faults.setPlace(path, { variable: name })
    if (value === undefined) faults.add(path, 'is not a YAML value')
    else write(tree, path, value.value, absent => faults.setPlace(absent, { variable: name }))
  }
}

/** Refuses every `OSTIARY_` variable that means nothing, except those that secrets are taken from. */
export function refuseUnknownVariables(
  tree: Record<string, unknown>,
  env: Environment,
  referenced: ReadonlySet<string>,
  faults: Faults,
): void {
  const known = new Set<string>([...RESERVED_VARIABLES, ...listVariables(configSchema, tree).map(({ name }) => name)])
  for (const name of Object.keys(env).sort()) {
    if (!name.startsWith('OSTIARY_') || env[name] === undefined) continue
    if (known.has(name) || referenced.has(name)) continue
    faults.addAt({ variable: name }, `no member of the configuration has this variable${suggest(name, known)}`)
  }
}

/** Each leaf's variable. Entries of maps are those that the tree has: a variable changes an entry but does not make one. */
export function listVariables(node: SchemaNode, tree: unknown, path: Path = []): Variable[] {
  const inside = (name: string) => (isObject(tree) && Object.hasOwn(tree, name) ? tree[name] : undefined)
  if (node.properties !== undefined) {
    return Object.entries(node.properties).flatMap(([name, member]) =>
      listVariables(member, inside(name), [...path, name]),
    )
  }
  if (node.patternProperties !== undefined) {
    const [member] = Object.values(node.patternProperties) as [SchemaNode]
    const names = isObject(tree) ? Object.keys(tree) : []
    return names.flatMap(name => listVariables(member, inside(name), [...path, name]))
  }
  const sections = node.anyOf?.filter(branch => branch.properties !== undefined) ?? []
  if (sections.length > 0) return sections.flatMap(branch => listVariables(branch, tree, path))
  return [{ name: nameVariable(path), path, node }]
}

/** `requests.maxBodyBytes` → `OSTIARY_REQUESTS_MAX_BODY_BYTES`; in names of entries, what is no letter or digit becomes `_`. */
export function nameVariable(path: Path): string {
  return `OSTIARY_${path.map(name => name.replace(/([a-z])([A-Z])/g, '$1_$2').replace(/[^A-Za-z0-9]/g, '_')).join('_')}`.toUpperCase()
}

function write(tree: Record<string, unknown>, path: Path, value: unknown, onMade: (section: Path) => void): void {
  let at = tree
  for (const [depth, name] of path.slice(0, -1).entries()) {
    const isThere = Object.hasOwn(at, name)
    if (!isThere) onMade(path.slice(0, depth + 1))
    const next = isThere ? at[name] : {}
    // What stands there is wrong in itself, and is reported as such.
    if (!isObject(next)) return
    // A copy, because a YAML alias may have put one object in two places.
    const copy = { ...next }
    at[name] = copy
    at = copy
  }
  at[path.at(-1) as string] = value
}
