/**
 * The part of JSON Schema (draft 2020-12) that the configuration is written in. Schemas are plain data, because importing
 * TypeBox's builders would cost 100 ms at each start; a test lets its validator judge beside ours.
 */
export interface SchemaNode {
  readonly type?: 'object' | 'array' | 'string' | 'integer' | 'number' | 'boolean' | 'null'
  readonly description?: string
  readonly examples?: readonly unknown[]
  /** Value of a member that is left out; with `x-default` it is computed and said in words; with neither there is none. */
  readonly default?: unknown
  readonly 'x-default'?: string
  /** The text is a reference to a secret. */
  readonly 'x-secret'?: true
  /** The secret is needed to open the store, and so cannot be kept there. */
  readonly 'x-before-store'?: true
  readonly const?: unknown
  readonly enum?: readonly string[]
  readonly pattern?: string
  /** What the text must be, in words; editors know this keyword too. */
  readonly patternErrorMessage?: string
  readonly maxLength?: number
  /** Says what is wrong with the text, where a pattern cannot. Not part of the JSON Schema. */
  readonly check?: (text: string) => string | undefined
  readonly minimum?: number
  readonly maximum?: number
  readonly items?: SchemaNode
  readonly maxItems?: number
  readonly uniqueItems?: boolean
  readonly properties?: Readonly<Record<string, SchemaNode>>
  /** In the loaded form, that is with defaults applied. */
  readonly required?: readonly string[]
  readonly additionalProperties?: false
  readonly patternProperties?: Readonly<Record<string, SchemaNode>>
  readonly maxProperties?: number
  readonly anyOf?: readonly SchemaNode[]
}

/** The type of a value in the loaded form: defaults applied, frozen. */
export type Loaded<S> = S extends { readonly anyOf: readonly (infer Branch)[] }
  ? Loaded<Branch>
  : S extends { readonly const: infer Value }
    ? Value
    : S extends { readonly enum: readonly (infer Value)[] }
      ? Value
      : S extends { readonly items: infer Item }
        ? readonly Loaded<Item>[]
        : S extends { readonly properties: infer P; readonly required: readonly (infer R)[] }
          ? { readonly [K in keyof P & R]: Loaded<P[K]> } & { readonly [K in Exclude<keyof P, R>]?: Loaded<P[K]> }
          : S extends { readonly patternProperties: Readonly<Record<string, infer Value>> }
            ? Readonly<Record<string, Loaded<Value>>>
            : S extends { readonly type: infer Name extends keyof Scalars }
              ? Scalars[Name]
              : never

interface Scalars {
  string: string
  integer: number
  number: number
  boolean: boolean
  null: null
}

type Members = Readonly<Record<string, SchemaNode>>

/** An object of known members. All but `optional` are present in the loaded form. */
export function section<const P extends Members, const O extends keyof P & string = never>(
  description: string,
  properties: P,
  optional: readonly O[] = [],
) {
  const required = Object.keys(properties).filter(name => !optional.includes(name as O))
  return {
    type: 'object' as const,
    description,
    properties,
    required: required as Exclude<keyof P & string, O>[],
    additionalProperties: false as const,
  }
}

/** An object whose members are named by the operator. */
export function map<const K extends string, const V extends SchemaNode>(
  options: {
    readonly description: string
    readonly pattern: K
    readonly names: string
    readonly examples: readonly unknown[]
  },
  value: V,
) {
  return {
    type: 'object' as const,
    description: options.description,
    default: {} as unknown,
    examples: options.examples,
    patternErrorMessage: options.names,
    patternProperties: { [options.pattern]: value } as Record<K, V>,
    additionalProperties: false as const,
    maxProperties: 1000,
  }
}

/** What the operator must write: a member with a default, or an object that needs nothing inside, may be left out. */
export function isRequiredInFile(parent: SchemaNode, name: string): boolean {
  const node = parent.properties?.[name]
  if (node === undefined || !(parent.required ?? []).includes(name)) return false
  if (node.default !== undefined || node['x-default'] !== undefined) return false
  return node.properties === undefined || Object.keys(node.properties).some(member => isRequiredInFile(node, member))
}
