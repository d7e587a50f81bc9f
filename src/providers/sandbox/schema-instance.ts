import { isObject, type Keywords, numberInstance, textInstance, typeOf } from './schema-scalars.ts'

/**
 * A small value that is valid against a JSON schema (2020-12 and the OpenAPI subset that Gemini takes): required members only,
 * the first of an enum or a union, the lowest number allowed. Not honoured: `pattern`, `not`, `if`, `uniqueItems`, `contains`.
 * Work and size are bounded whatever the schema; what has no finite instance is null.
 */
export function schemaInstance(schema: unknown): unknown {
  const instance = new Generator(schema).generate(schema, 0)
  return instance === IMPOSSIBLE ? null : instance
}

const IMPOSSIBLE = Symbol('impossible')
const MAX_DEPTH = 64
const MAX_ITEMS = 100

/** What an instance may cost: about one for every character of it and every keyword looked at. */
const MAX_COST = 50_000
const NODE_COST = 16

/** Keywords that say nothing of the value. */
const ANNOTATIONS = new Set(['$schema', '$id', '$defs', 'definitions', 'title', 'description', 'default', 'examples'])

const JOINED = new Set(['required', 'allOf'])

class Generator {
  readonly #root: unknown
  /** References being followed: meeting one again means that this branch never ends. */
  readonly #following = new Set<string>()
  #cost = 0

  constructor(root: unknown) {
    this.#root = root
  }

  generate(schema: unknown, depth: number): unknown {
    if (schema === false || depth > MAX_DEPTH || !this.#afford(NODE_COST)) return IMPOSSIBLE
    if (!isObject(schema)) return 'sandbox'
    if ('const' in schema) return this.#literal(schema.const)
    if (Array.isArray(schema.enum) && schema.enum.length > 0) return this.#literal(schema.enum[0])
    if (typeof schema.$ref === 'string') return this.#follow(schema.$ref, depth)
    if (Array.isArray(schema.allOf)) {
      const { allOf: _, ...beside } = schema
      return this.generate(this.#merge(beside, schema.allOf), depth + 1)
    }
    const branches = schema.anyOf ?? schema.oneOf
    if (Array.isArray(branches)) return this.#first(schema, branches, depth)
    return this.#ofType(schema, depth)
  }

  #afford(cost: number): boolean {
    this.#cost += cost
    return this.#cost <= MAX_COST
  }

  #literal(value: unknown): unknown {
    return this.#afford(JSON.stringify(value).length) ? value : IMPOSSIBLE
  }

  #ofType(schema: Keywords, depth: number): unknown {
    switch (typeOf(schema)) {
      case 'object':
        return this.#object(schema, depth)
      case 'array':
        return this.#array(schema, depth)
      case 'integer':
        return numberInstance(schema, 1)
      case 'number':
        return numberInstance(schema, 0)
      case 'boolean':
        return true
      case 'null':
        return null
      default:
        return this.#literal(textInstance(schema))
    }
  }

  #follow(ref: string, depth: number): unknown {
    if (this.#following.has(ref)) return IMPOSSIBLE
    this.#following.add(ref)
    const instance = this.generate(this.#resolve(ref), depth + 1)
    this.#following.delete(ref)
    return instance
  }

  /** The first branch that has an instance, with the keywords beside the union. */
  #first(schema: Keywords, branches: readonly unknown[], depth: number): unknown {
    const { anyOf: _any, oneOf: _one, ...beside } = schema
    for (const branch of branches) {
      const instance = this.generate(this.#merge(beside, [branch]), depth + 1)
      if (instance !== IMPOSSIBLE) return instance
    }
    return IMPOSSIBLE
  }

  #object(schema: Keywords, depth: number): unknown {
    const properties = isObject(schema.properties) ? schema.properties : {}
    const required = Array.isArray(schema.required) ? schema.required : []
    const instance: Record<string, unknown> = {}
    for (const name of required) {
      if (typeof name !== 'string' || name === '__proto__' || Object.hasOwn(instance, name)) continue
      if (!this.#afford(name.length)) return IMPOSSIBLE
      const value = this.generate(
        Object.hasOwn(properties, name) ? properties[name] : schema.additionalProperties,
        depth + 1,
      )
      if (value === IMPOSSIBLE) return IMPOSSIBLE
      instance[name] = value
    }
    return instance
  }

  #array(schema: Keywords, depth: number): unknown {
    const fixed = Array.isArray(schema.prefixItems) ? schema.prefixItems : []
    const length = Math.min(Number(schema.minItems ?? 0) || 0, MAX_ITEMS)
    const instance: unknown[] = []
    while (instance.length < length) {
      const value = this.generate(fixed[instance.length] ?? schema.items, depth + 1)
      if (value === IMPOSSIBLE) return IMPOSSIBLE
      instance.push(value)
    }
    return instance
  }

  /** One schema of several that hold together: properties and required are joined, of other keywords the last wins. */
  #merge(schema: Keywords, parts: readonly unknown[]): unknown {
    const beside = Object.entries(schema).filter(([keyword]) => !ANNOTATIONS.has(keyword))
    // Left as it is, a reference is followed with an eye to recursion.
    if (beside.length === 0 && parts.length === 1) return parts[0]
    const merged: Record<string, unknown> = Object.fromEntries(beside)
    for (const part of parts) {
      const next = isObject(part) && typeof part.$ref === 'string' ? this.#resolve(part.$ref) : part
      if (next === false || !this.#afford(1) || !this.#afford(sizeOf(merged) + sizeOf(next))) return false
      if (!isObject(next)) continue
      for (const [keyword, value] of Object.entries(next)) {
        const before = merged[keyword]
        if (keyword === 'properties' && isObject(before) && isObject(value)) merged[keyword] = { ...before, ...value }
        else if (Array.isArray(before) && Array.isArray(value) && JOINED.has(keyword)) {
          merged[keyword] = [...before, ...value]
        } else merged[keyword] = value
      }
    }
    return merged
  }

  /** The schema that a reference within this document points to (RFC 6901); anything for one that leads nowhere. */
  #resolve(ref: string): unknown {
    if (!ref.startsWith('#')) return true
    let found = this.#root
    for (const step of ref.slice(1).split('/').slice(1)) {
      const name = step.replaceAll('~1', '/').replaceAll('~0', '~')
      if (typeof found !== 'object' || found === null || !Object.hasOwn(found, name)) return true
      found = (found as Keywords)[name]
    }
    return found
  }
}

/** Keywords of a schema, with the properties and required names that a merge copies. */
function sizeOf(schema: unknown): number {
  if (!isObject(schema)) return 1
  const { properties, required } = schema
  const names =
    (isObject(properties) ? Object.keys(properties).length : 0) + (Array.isArray(required) ? required.length : 0)
  return Object.keys(schema).length + names
}
