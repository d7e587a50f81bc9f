import {
  type Document,
  isCollection,
  isMap,
  isScalar,
  LineCounter,
  type Node,
  type Pair,
  parseDocument,
  visit,
  type YAMLError,
} from 'yaml'
import type { Faults, Path } from './faults.ts'

const MAX_BYTES = 1024 * 1024
const MAX_ALIASES = 100
/** Deeper than any member of the schema: what lies below is named by what is around it. */
const MAX_PLACED_DEPTH = 8

/** YAML 1.2, core schema, one document. Records where each member stands. Undefined if faults were found. */
export function parseYaml(text: string, faults: Faults): unknown {
  if (Buffer.byteLength(text) > MAX_BYTES) {
    faults.add([], 'is larger than 1 MiB')
    return undefined
  }
  const lines = new LineCounter()
  try {
    const document = parseDocument(text, {
      version: '1.2',
      schema: 'core',
      resolveKnownTags: false,
      uniqueKeys: true,
      stringKeys: true,
      // The default quotes the offending lines, and one of them may be a secret.
      prettyErrors: false,
      logLevel: 'error',
      lineCounter: lines,
    })
    const errors = [...document.errors, ...document.warnings]
    for (const error of errors) report(error, lines, faults)
    if (errors.length > 0 || hasLooseAlias(document, lines, faults)) return undefined
    placeMembers(document.contents, [], lines, faults)
    return document.toJS({ maxAliasCount: MAX_ALIASES }) as unknown
  } catch (error) {
    // What the parser throws, rather than reports, is a refusal of too much: aliases, or nesting beyond the stack.
    const message = error instanceof ReferenceError ? `has more than ${MAX_ALIASES} aliases` : 'is nested too deeply'
    faults.add([], message)
    return undefined
  }
}

/** A value of an environment variable: a YAML scalar or flow collection. */
export function parseVariable(text: string): { readonly value: unknown } | undefined {
  const document = parseDocument(text, {
    version: '1.2',
    schema: 'core',
    resolveKnownTags: false,
    prettyErrors: false,
    logLevel: 'error',
  })
  if (document.errors.length > 0 || document.warnings.length > 0) return undefined
  try {
    return { value: document.toJS({ maxAliasCount: 0 }) as unknown }
  } catch {
    return undefined
  }
}

/** The parser itself would find these only when it resolves them, and not say where. */
function hasLooseAlias(document: Document, lines: LineCounter, faults: Faults): boolean {
  const anchors = new Set<string>()
  let found = false
  visit(document, {
    Node: (_, { anchor }) => {
      if (anchor !== undefined) anchors.add(anchor)
    },
    Alias: (_, alias) => {
      if (anchors.has(alias.source)) return
      const { line, col } = lines.linePos(alias.range?.[0] ?? 0)
      faults.addAt({ line, column: col }, `there is no anchor "${alias.source}" before this alias`)
      found = true
    },
  })
  return found
}

function report(error: YAMLError, lines: LineCounter, faults: Faults): void {
  const { line, col } = lines.linePos(error.pos[0])
  faults.addAt({ line, column: col }, explain(error))
}

function explain(error: YAMLError): string {
  switch (error.code) {
    case 'DUPLICATE_KEY':
      return 'the member is written twice'
    case 'MULTIPLE_DOCS':
      return 'only one YAML document is allowed'
    case 'NON_STRING_KEY':
      return 'names of members must be plain text'
    default:
      // After the colon the parser quotes the source.
      return `not valid YAML: ${(error.message.split(':')[0] as string).replace(/["'`|].*$/s, '').trim()}`
  }
}

function placeMembers(node: Node | null, path: Path, lines: LineCounter, faults: Faults): void {
  if (!isCollection(node) || path.length >= MAX_PLACED_DEPTH) return
  node.items.forEach((item, index) => {
    const key = isMap(node) ? (item as Pair<Node, Node | null>).key : (item as Node)
    const name = isMap(node) ? String(isScalar(key) ? (key.value ?? '') : '') : String(index)
    const value = isMap(node) ? (item as Pair<Node, Node | null>).value : (item as Node)
    const inside = [...path, name]
    if (key?.range) {
      const { line, col } = lines.linePos(key.range[0])
      faults.setPlace(inside, { line, column: col })
    }
    placeMembers(value, inside, lines, faults)
  })
}
