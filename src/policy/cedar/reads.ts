import type { Expr, PolicyJson, PrincipalConstraint, ResourceConstraint } from '@cedar-policy/cedar-wasm/nodejs'
import { stableContext } from './attributes.ts'

type Variable = 'principal' | 'action' | 'resource' | 'context'

/** What is read of `principal`, `resource` or `context`. */
export interface VariableReads {
  readonly attributes: Set<string>
  /** It is used in a way that does not show what is read of it: all of it may be. */
  whole: boolean
  parents: boolean
  tags: boolean
}

export interface EntityName {
  readonly type: string
  readonly id: string
}

/** What the decision of one policy can depend on, by its syntax tree. */
export interface Reads {
  readonly principal: VariableReads
  readonly resource: VariableReads
  readonly context: VariableReads
  /** It asks which action is in which group, otherwise than `action in …`. */
  actions: boolean
  /** Every entity that it names. */
  readonly entities: EntityName[]
}

export function readsOf({ principal, action, resource, conditions }: PolicyJson): Reads {
  const reads: Reads = {
    principal: nothing(),
    resource: nothing(),
    context: nothing(),
    actions: false,
    entities: [],
  }
  readScope(reads, 'principal', principal)
  readScope(reads, 'resource', resource)
  if ('entity' in action) reads.entities.push(nameOf(action.entity))
  if ('entities' in action) reads.entities.push(...action.entities.map(nameOf))
  for (const { body } of conditions) read(reads, body)
  return reads
}

/** With what a policy may decide otherwise though caller, action and resource are the same. */
export type Changing = 'nothing' | 'address' | 'call'

/** Everything that is not surely the literal name of a known attribute of the context counts as any part of the call. */
export function changesWith({ context }: Reads): Changing {
  const changing = [...context.attributes].filter(name => !Object.hasOwn(stableContext, name))
  if (context.whole || changing.some(name => name !== 'ip')) return 'call'
  return changing.length > 0 ? 'address' : 'nothing'
}

/** What any of several policies reads. */
export function mergeReads(all: readonly Reads[]): Reads {
  const merge = (pick: (reads: Reads) => VariableReads): VariableReads => ({
    attributes: new Set(all.flatMap(reads => [...pick(reads).attributes])),
    whole: all.some(reads => pick(reads).whole),
    parents: all.some(reads => pick(reads).parents),
    tags: all.some(reads => pick(reads).tags),
  })
  return {
    principal: merge(({ principal }) => principal),
    resource: merge(({ resource }) => resource),
    context: merge(({ context }) => context),
    actions: all.some(({ actions }) => actions),
    entities: all.flatMap(({ entities }) => entities),
  }
}

function nothing(): VariableReads {
  return { attributes: new Set(), whole: false, parents: false, tags: false }
}

function readScope(
  reads: Reads,
  variable: 'principal' | 'resource',
  constraint: PrincipalConstraint | ResourceConstraint,
): void {
  if (constraint.op === 'All') return
  const within = constraint.op === 'is' ? constraint.in : constraint
  if (within === undefined) return
  if (constraint.op !== '==') reads[variable].parents = true
  if ('entity' in within) reads.entities.push(nameOf(within.entity))
}

/** `{type, id}`, also where it is written as `{__entity: {type, id}}`. */
export function nameOf(entity: EntityName | { readonly __entity: EntityName }): EntityName {
  return '__entity' in entity ? entity.__entity : entity
}

/** The variable that an expression is, and nothing besides. */
export function variableOf(expr: Expr): Variable | undefined {
  return 'Var' in expr ? (expr.Var as Variable) : undefined
}

function read(reads: Reads, expr: Expr): void {
  for (const [operator, operands] of Object.entries(expr)) {
    const reader = Object.hasOwn(readers, operator) ? readers[operator] : readOther
    reader?.(reads, operands as never)
  }
}

function readAll(reads: Reads, exprs: readonly Expr[]): void {
  for (const expr of exprs) read(reads, expr)
}

interface Binary {
  readonly left: Expr
  readonly right: Expr
}

type Reader = (reads: Reads, operands: never) => void

const readBoth = (reads: Reads, { left, right }: Binary) => readAll(reads, [left, right])
const readLeft = (reads: Reads, { left }: Binary) => read(reads, left)
const readArgument = (reads: Reads, { arg }: { readonly arg: Expr }) => read(reads, arg)
const readMembers = (reads: Reads, operands: Record<string, Expr>) => readAll(reads, Object.values(operands))

/** By the operators of Cedar’s JSON format of policies. */
const readers: Readonly<Record<string, Reader | undefined>> = {
  Value: readValue,
  Var: whole,
  '.': readAttribute,
  has: readAttribute,
  getTag: readTag,
  hasTag: readTag,
  in: readMembership,
  is: readType,
  '==': readCompared,
  '!=': readCompared,
  like: readLeft,
  '!': readArgument,
  neg: readArgument,
  isEmpty: readArgument,
  Record: readMembers,
  'if-then-else': readMembers,
  ...Object.fromEntries(
    ['<', '<=', '>', '>=', '&&', '||', '+', '-', '*', 'contains', 'containsAll', 'containsAny'].map(operator => [
      operator,
      readBoth,
    ]),
  ),
}

/** Sets and functions have a list of expressions. What is none of these is not known here, and may read anything. */
function readOther(reads: Reads, operands: unknown): void {
  if (Array.isArray(operands)) readAll(reads, operands)
  else for (const variable of ['principal', 'action', 'resource', 'context'] as const) whole(reads, variable)
}

function whole(reads: Reads, variable: Variable): void {
  if (variable === 'action') reads.actions = true
  else reads[variable].whole = true
}

function readAttribute(reads: Reads, { left, attr }: { readonly left: Expr; readonly attr: string | string[] }): void {
  const variable = variableOf(left)
  if (variable === undefined || variable === 'action') read(reads, left)
  else reads[variable].attributes.add(typeof attr === 'string' ? attr : (attr[0] as string))
}

function readTag(reads: Reads, { left, right }: Binary): void {
  const variable = variableOf(left)
  if (variable === 'principal' || variable === 'resource') reads[variable].tags = true
  else read(reads, left)
  read(reads, right)
}

function readMembership(reads: Reads, { left, right }: Binary): void {
  const variable = variableOf(left)
  const literals = variable === 'action' ? literalActions(right) : undefined
  // These are replaced by the actions that are in them before anything is asked.
  if (literals !== undefined) reads.entities.push(...literals)
  else {
    if (variable === 'principal' || variable === 'resource') reads[variable].parents = true
    else read(reads, left)
    read(reads, right)
  }
}

function readType(reads: Reads, { left, in: within }: { readonly left: Expr; readonly in?: Expr }): void {
  const variable = variableOf(left)
  if (within === undefined) {
    if (!isEntity(variable)) read(reads, left)
  } else if (variable === 'action') {
    reads.actions = true
    read(reads, within)
  } else readMembership(reads, { left, right: within })
}

/** The same entity or not: what is known of it does not matter. */
function readCompared(reads: Reads, { left, right }: Binary): void {
  const isAction = variableOf(left) === 'action' || variableOf(right) === 'action'
  for (const side of [left, right]) {
    const literals = isAction ? literalActions(side) : undefined
    if (literals !== undefined) reads.entities.push(...literals)
    else if (!isEntity(variableOf(side))) read(reads, side)
  }
}

function isEntity(variable: Variable | undefined): boolean {
  return variable !== undefined && variable !== 'context'
}

/** The actions that an expression names; undefined = it is something else. */
export function literalActions(expr: Expr): readonly EntityName[] | undefined {
  const list = 'Set' in expr ? (expr.Set as Expr[]) : [expr]
  const names = list.map(entry => {
    const value = 'Value' in entry ? entry.Value : undefined
    return typeof value === 'object' && value !== null && '__entity' in value
      ? (value.__entity as EntityName)
      : undefined
  })
  return names.every(name => name?.type === 'Ostiary::Action') ? (names as EntityName[]) : undefined
}

function readValue(reads: Reads, value: unknown): void {
  if (typeof value !== 'object' || value === null) return
  if ('__entity' in value) {
    const name = value.__entity as EntityName
    reads.entities.push(name)
    if (name.type === 'Ostiary::Action') reads.actions = true
  } else for (const member of Object.values(value)) readValue(reads, member)
}
