import type { ActionConstraint, EntityJson, Expr, PolicyJson } from '@cedar-policy/cedar-wasm/nodejs'
import type { Action } from '#core/action.ts'
import type { VerifiedIdentity } from '#core/principal.ts'
import { compileModels } from '#policy/check-model.ts'
import type { CallContext, Resource } from '#policy/decision.ts'
import { principalAttributes, stableContext, type Value, volatileContext } from './attributes.ts'
import { loadCedar } from './load-cedar.ts'
import type { Policy } from './policy.ts'
import {
  type EntityName,
  literalActions,
  mergeReads,
  nameOf,
  readsOf,
  type VariableReads,
  variableOf,
} from './reads.ts'
import { giveSetName, takeSetName } from './set-names.ts'
import type { Vocabulary } from './vocabulary.ts'

/** What some of the policies say; of several sets together it is what one set of all of them would say. */
export interface Verdict {
  /** Ids of those that permit and that forbid. */
  readonly permits: readonly string[]
  readonly forbids: readonly string[]
  /** What went wrong, a line for each policy that could not be evaluated. */
  readonly errors: readonly string[]
}

export const SILENT: Verdict = { permits: [], forbids: [], errors: [] }

/** Policies that are evaluated together. */
export interface PolicySet extends Disposable {
  /** Whether any of them can apply to the action. */
  concerns(action: Action): boolean
  evaluate(principal: VerifiedIdentity, action: Action, resource: Resource, call: CallContext): Verdict
}

const KINDS = { api_key: 'ApiKey', user: 'User', service: 'ServiceAccount' } as const

/**
 * Parses policies once. Cedar is sent only what they read: it is text for each question, and that is most of what one costs.
 * Groups of actions are replaced by their actions, so that these need not be sent either.
 */
export function createPolicySet(
  policies: readonly Policy[],
  { actions, modelGroups }: Vocabulary,
  groupsOf: (model: string) => readonly string[],
): PolicySet {
  const concerned = new Set(
    actions.filter(action => policies.some(({ json }) => mayApply(json.action, action))).map(({ id }) => id),
  )
  const effects = new Map(policies.map(({ id, effect }) => [id, effect]))
  const reads = mergeReads(policies.map(({ json }) => readsOf(json)))
  const named = new Set(reads.entities.filter(({ type }) => type === 'Ostiary::ModelGroup').map(({ id }) => id))
  const groups = reads.resource.whole ? new Set(Object.keys(modelGroups)) : named
  const actionEntities = reads.actions ? actions.map(entityOfAction) : []
  const principals = new WeakMap<VerifiedIdentity, EntityJson>()
  const name = takeSetName()
  const replaced = policies.map(({ id, json }) => [id, withoutGroups(json, actions)] as const)
  const answer = loadCedar().preparsePolicySet(name, { staticPolicies: Object.fromEntries(replaced) })
  if (answer.type === 'failure') throw new Error(answer.errors.map(({ message }) => message).join('; '))

  const principalEntity = (principal: VerifiedIdentity): EntityJson => {
    const known = principals.get(principal)
    if (known !== undefined) return known
    const entity = entityOfPrincipal(principal, reads.principal)
    principals.set(principal, entity)
    return entity
  }
  return {
    concerns: action => concerned.has(action.id),
    evaluate(principal, action, resource, call) {
      const subject = principalEntity(principal)
      const object = entityOfResource(resource, reads.resource, groups, groupsOf)
      const result = loadCedar().statefulIsAuthorized({
        principal: subject.uid,
        action: { type: 'Ostiary::Action', id: action.id },
        resource: object.uid,
        context: contextOf(principal, action, resource, call, reads.context),
        preparsedPolicySetId: name,
        validateRequest: false,
        entities: [subject, object, ...actionEntities].filter(isTold),
      })
      if (result.type === 'failure') return failed(result.errors.map(({ message }) => message).join('; '))
      const { reason, errors } = result.response.diagnostics
      return {
        permits: reason.filter(id => effects.get(id) === 'permit'),
        forbids: reason.filter(id => effects.get(id) === 'forbid'),
        errors: errors.map(({ policyId, error }) => `${policyId}: ${error.message}`),
      }
    },
    [Symbol.dispose]: () => giveSetName(name),
  }
}

/** The groups that a model is in, by the name that callers use. */
export function compileGroups(modelGroups: Vocabulary['modelGroups']): (model: string) => string[] {
  const groups = Object.entries(modelGroups).map(([name, patterns]) => [name, compileModels(patterns)] as const)
  return model => groups.filter(([, fits]) => fits(model)).map(([name]) => name)
}

export function failed(error: string): Verdict {
  return { permits: [], forbids: [], errors: [error] }
}

/** Whether the scope of a policy lets it apply to an action. */
export function mayApply(constraint: ActionConstraint, { id, group }: Action): boolean {
  if (constraint.op === 'All') return true
  const named = namedActions(constraint)
  return named.some(name => name.id === id || name.id === group)
}

function namedActions(constraint: ActionConstraint): EntityName[] {
  if ('entities' in constraint) return constraint.entities.map(nameOf)
  return 'entity' in constraint ? [nameOf(constraint.entity)] : []
}

/** Where a policy names groups of actions, the actions that are in them; the decision is the same. */
function withoutGroups(json: PolicyJson, actions: readonly Action[]): PolicyJson {
  const expand = (names: readonly EntityName[]) => {
    const inside = actions.filter(({ id, group }) => names.some(name => name.id === id || name.id === group))
    return inside.map(({ id }) => ({ type: 'Ostiary::Action', id }))
  }
  const { action, conditions } = json
  return {
    ...json,
    action: action.op === 'in' ? { op: 'in', entities: expand(namedActions(action)) } : action,
    conditions: conditions.map(({ kind, body }) => ({ kind, body: replaceGroups(body, expand) as Expr })),
  }
}

function replaceGroups(expr: unknown, expand: (names: readonly EntityName[]) => EntityName[]): unknown {
  if (typeof expr !== 'object' || expr === null) return expr
  if (Array.isArray(expr)) return expr.map(one => replaceGroups(one, expand))
  const entries = Object.entries(expr).map(([operator, operands]) => {
    const names = operator === 'in' && isActionVariable(operands) ? literalActions(operands.right) : undefined
    if (names === undefined) return [operator, replaceGroups(operands, expand)]
    return ['in', { left: operands.left, right: { Set: expand(names).map(name => ({ Value: { __entity: name } })) } }]
  })
  return Object.fromEntries(entries)
}

function isActionVariable(operands: { left?: Expr; right?: Expr }): operands is { left: Expr; right: Expr } {
  return operands.left !== undefined && operands.right !== undefined && variableOf(operands.left) === 'action'
}

function entityOfAction({ id, group }: Action): EntityJson {
  return { uid: { type: 'Ostiary::Action', id }, attrs: {}, parents: [{ type: 'Ostiary::Action', id: group }] }
}

function entityOfPrincipal(principal: VerifiedIdentity, reads: VariableReads): EntityJson {
  const { kind, id, roles, project, tags } = principal
  const attrs: Record<string, Value> = {}
  for (const [name, { read, token }] of Object.entries(principalAttributes)) {
    if (!reads.whole && !reads.attributes.has(name)) continue
    const value = kind === 'api_key' && token ? undefined : read(principal)
    if (value !== undefined) attrs[name] = value
  }
  const parents =
    reads.whole || reads.parents
      ? [...roles.map(role => ({ type: 'Ostiary::Role', id: role })), { type: 'Ostiary::Project', id: project }]
      : []
  return {
    uid: { type: `Ostiary::${KINDS[kind]}`, id },
    attrs: attrs as EntityJson['attrs'],
    parents,
    ...((reads.whole || reads.tags) && kind === 'api_key' && { tags }),
  }
}

function entityOfResource(
  { kind, id, provider, test }: Resource,
  reads: VariableReads,
  groups: ReadonlySet<string>,
  groupsOf: (model: string) => readonly string[],
): EntityJson {
  const owner = provider === null ? null : { type: 'Ostiary::Provider', id: provider }
  const attrs: EntityJson['attrs'] = {}
  if (reads.whole || reads.attributes.has('test')) attrs.test = test
  if (owner !== null && (reads.whole || reads.attributes.has('provider'))) attrs.provider = { __entity: owner }
  const parents: EntityName[] = []
  if (owner !== null && (reads.whole || reads.parents)) {
    parents.push(owner)
    if (groups.size > 0)
      for (const group of groupsOf(id)) if (groups.has(group)) parents.push({ type: 'Ostiary::ModelGroup', id: group })
  }
  return { uid: { type: kind === 'model' ? 'Ostiary::Model' : 'Ostiary::Service', id }, attrs, parents }
}

/** An entity of which nothing is told need not be sent. */
function isTold({ attrs, parents, tags }: EntityJson): boolean {
  return parents.length > 0 || tags !== undefined || Object.keys(attrs).length > 0
}

function contextOf(
  principal: VerifiedIdentity,
  action: Action,
  { kind }: Resource,
  call: CallContext,
  reads: VariableReads,
): Record<string, never> {
  const context: Record<string, Value> = {}
  const isRead = (name: string) => reads.whole || reads.attributes.has(name)
  const put = (name: string, value: Value | undefined) => {
    if (value !== undefined) context[name] = value
  }
  for (const [name, { read }] of stableEntries) if (isRead(name)) put(name, read(principal, action))
  for (const [name, { read, of }] of volatileEntries) {
    if (isRead(name) && (of === undefined || of === `${kind}s`)) put(name, read(principal, call))
  }
  return context as Record<string, never>
}

const stableEntries = Object.entries(stableContext)
const volatileEntries = Object.entries(volatileContext)
