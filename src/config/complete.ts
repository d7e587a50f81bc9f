import type { Faults, Path } from './faults.ts'
import { suggest } from './nearest.ts'
import type { SchemaNode } from './shape.ts'

/** A member that refers to a secret. */
export interface SecretReference {
  readonly path: Path
  readonly text: string
  /** Says what is wrong with the secret itself. */
  readonly check: SchemaNode['check']
}

const LOCAL = 'env:[A-Za-z_][A-Za-z0-9_]*|file:[^\\0]+|enc:[0-9a-f]{12}\\.[\\w-]{80}\\.[\\w-]{38,}'
const REFERENCE = new RegExp(`^(${LOCAL}|secret:[A-Za-z][A-Za-z0-9_.-]{0,63})$`)
const REFERENCE_BEFORE_STORE = new RegExp(`^(${LOCAL})$`)

/** What a reference to a secret looks like, and how to say so. */
export function referenceForm(node: SchemaNode): { readonly pattern: RegExp; readonly message: string } {
  return node['x-before-store']
    ? {
        pattern: REFERENCE_BEFORE_STORE,
        message:
          'must be a reference to a secret, `env:NAME`, `file:PATH` or `enc:…`; not `secret:NAME`, which is kept in the store that this opens',
      }
    : {
        pattern: REFERENCE,
        message:
          'must be a reference to a secret, `env:NAME`, `file:PATH`, `secret:NAME` or `enc:…`; secrets are not written into the configuration',
      }
}

/**
 * Checks a value against its schema and returns a new one with defaults applied. What is wrong goes to `faults`, and
 * is left out of the result. References to secrets met on the way go to `references`.
 */
export function complete(
  node: SchemaNode,
  value: unknown,
  path: Path,
  faults: Faults,
  references: SecretReference[],
): unknown {
  const refuse = (message: string) => faults.add(path, message)
  if (node.properties !== undefined) return completeSection(node, value, path, faults, references)
  if (node.patternProperties !== undefined) return completeMap(node, value, path, faults, references)
  if (node.anyOf !== undefined) {
    const choice = choose(node.anyOf, value, path, faults)
    if (choice !== undefined) return complete(choice, value, path, faults, references)
    if (node.anyOf.every(branch => branch.properties === undefined)) refuse(expectation(node))
    return undefined
  }
  if (node.items !== undefined) return completeList(node, node.items, value, path, faults, references)
  if (node['x-secret']) {
    const { pattern, message } = referenceForm(node)
    if (typeof value !== 'string' || !pattern.test(value)) return refuse(message)
    references.push({ path, text: value, check: node.check })
    return value
  }
  const wrong = check(node, value)
  return wrong === undefined ? value : refuse(wrong)
}

function completeSection(
  node: SchemaNode,
  value: unknown,
  path: Path,
  faults: Faults,
  references: SecretReference[],
): unknown {
  if (!isObject(value)) return faults.add(path, 'must be a mapping of members')
  const properties = node.properties ?? {}
  for (const name of Object.keys(value)) {
    if (Object.hasOwn(properties, name)) continue
    faults.add([...path, name], `unknown member${suggest(name, Object.keys(properties))}`)
  }
  const result: Record<string, unknown> = {}
  for (const [name, member] of Object.entries(properties)) {
    const given = Object.hasOwn(value, name) ? value[name] : initial(member, node.required?.includes(name))
    const inside = [...path, name]
    if (given !== undefined) {
      const completed = complete(member, given, inside, faults, references)
      if (completed !== undefined) result[name] = completed
    } else if (node.required?.includes(name) && member['x-default'] === undefined) {
      faults.add(inside, `is missing: ${expectation(member)}`)
    }
  }
  return result
}

/** A section that is left out but needed is completed like an empty one, so that its own missing members are named. */
function initial(node: SchemaNode, isNeeded = false): unknown {
  if (node.default !== undefined) return node.default
  return node.properties === undefined || !isNeeded ? undefined : {}
}

function completeMap(
  node: SchemaNode,
  value: unknown,
  path: Path,
  faults: Faults,
  references: SecretReference[],
): unknown {
  if (!isObject(value)) return faults.add(path, 'must be a mapping of names')
  const [pattern, member] = Object.entries(node.patternProperties ?? {})[0] as [string, SchemaNode]
  const names = Object.keys(value)
  if (names.length > (node.maxProperties ?? Number.POSITIVE_INFINITY)) {
    return faults.add(path, `must have at most ${node.maxProperties} entries`)
  }
  const result: Record<string, unknown> = {}
  for (const name of names) {
    const inside = [...path, name]
    if (!new RegExp(pattern, 'u').test(name)) {
      faults.add(inside, `not a name: ${node.patternErrorMessage}`)
      continue
    }
    const completed = complete(member, value[name], inside, faults, references)
    if (completed !== undefined) result[name] = completed
  }
  return result
}

function completeList(
  node: SchemaNode,
  item: SchemaNode,
  value: unknown,
  path: Path,
  faults: Faults,
  references: SecretReference[],
): unknown {
  if (!Array.isArray(value)) return faults.add(path, 'must be a list')
  if (value.length > (node.maxItems ?? Number.POSITIVE_INFINITY)) {
    return faults.add(path, `must have at most ${node.maxItems} entries`)
  }
  if (node.uniqueItems && new Set(value).size < value.length) return faults.add(path, 'must not name an entry twice')
  return value
    .map((entry, index) => complete(item, entry, [...path, String(index)], faults, references))
    .filter(entry => entry !== undefined)
}

/** The branch a value means: that of its constant member, else the first it fits. */
function choose(branches: readonly SchemaNode[], value: unknown, path: Path, faults: Faults): SchemaNode | undefined {
  if (branches.some(branch => branch.properties === undefined))
    return branches.find(branch => check(branch, value) === undefined)
  if (!isObject(value)) {
    faults.add(path, 'must be a mapping of members')
    return undefined
  }
  const name = discriminator(branches)
  const kinds = branches.map(branch => branch.properties?.[name]?.const)
  const index = Object.hasOwn(value, name) ? kinds.indexOf(value[name]) : -1
  if (index >= 0) return branches[index]
  const given = value[name]
  const hint = typeof given === 'string' ? suggest(given, kinds.map(String)) : ''
  faults.add([...path, name], `${given === undefined ? 'is missing: ' : ''}must be ${oneOf(kinds)}${hint}`)
  return undefined
}

/** The member that is constant in each branch of a union of objects. */
export function discriminator(branches: readonly SchemaNode[]): string {
  const names = Object.keys(branches[0]?.properties ?? {})
  return names.find(name => branches.every(branch => branch.properties?.[name]?.const !== undefined)) as string
}

/** What is wrong with a plain value; undefined = nothing. */
function check(node: SchemaNode, value: unknown): string | undefined {
  const expected = expectation(node)
  if (node.const !== undefined) return value === node.const ? undefined : expected
  if (node.enum !== undefined) {
    if (typeof value !== 'string') return expected
    return node.enum.includes(value) ? undefined : `${expected}${suggest(value, node.enum)}`
  }
  switch (node.type) {
    case 'integer':
    case 'number': {
      if (typeof value !== 'number' || !Number.isFinite(value)) return expected
      if (node.type === 'integer' && !Number.isInteger(value)) return expected
      return value < (node.minimum ?? value) || value > (node.maximum ?? value) ? expected : undefined
    }
    case 'boolean':
      return typeof value === 'boolean' ? undefined : expected
    case 'null':
      return value === null ? undefined : expected
    case 'string': {
      if (typeof value !== 'string') return expected
      if (value.length > (node.maxLength ?? value.length)) return `must have at most ${node.maxLength} characters`
      if (node.pattern !== undefined && !new RegExp(node.pattern, 'u').test(value)) return expected
      return node.check?.(value)
    }
    default:
      throw new TypeError('The schema has a node that no rule checks')
  }
}

/** `must be an integer from 1 to 64 or "auto"` */
function expectation(node: SchemaNode): string {
  if (node['x-secret']) return referenceForm(node).message
  return node.patternErrorMessage !== undefined && node.patternProperties === undefined
    ? node.patternErrorMessage
    : `must be ${describeType(node)}`
}

/** `an integer from 1 to 64 or "auto"` */
export function describeType(node: SchemaNode): string {
  if (node.properties !== undefined || node.patternProperties !== undefined) return 'a mapping'
  if (node.anyOf !== undefined) return [...new Set(node.anyOf.map(describeType))].join(' or ')
  if (node.const !== undefined) return oneOf([node.const])
  if (node.enum !== undefined) return oneOf(node.enum)
  switch (node.type) {
    case 'number':
      return `a number from ${node.minimum} to ${node.maximum}`
    case 'integer':
      return `an integer from ${node.minimum} to ${node.maximum}`
    case 'boolean':
      return 'true or false'
    case 'null':
      return 'null'
    case 'array':
      if (node.items?.properties !== undefined) return 'a list of mappings'
      return node.items?.type === 'integer' ? 'a list of integers' : 'a list of texts'
    default:
      return 'text'
  }
}

function oneOf(values: readonly unknown[]): string {
  const quoted = values.map(value => JSON.stringify(value))
  return quoted.length === 1 ? (quoted[0] as string) : `one of ${quoted.join(', ')}`
}

export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
