import type { Expr } from '@cedar-policy/cedar-wasm/nodejs'
import { actionGroups } from '#core/action.ts'
import { scopes } from '#core/operations.ts'
import { isServed } from '#policy/served-models.ts'
import { principalAttributes, stableContext, volatileContext } from './attributes.ts'
import type { Policy } from './policy.ts'
import { type EntityName, readsOf, variableOf } from './reads.ts'
import type { Vocabulary } from './vocabulary.ts'

/** A name of nothing. */
interface NameFault {
  readonly name: string
  readonly message: string
}

/** What a policy names that nothing here is called: it could never apply. */
export function checkNames({ json }: Policy, vocabulary: Vocabulary): NameFault[] {
  const entities = readsOf(json).entities.flatMap((entity): NameFault[] => {
    const message = checkEntity(entity, vocabulary)
    return message === null ? [] : [{ name: entity.id, message }]
  })
  const known = closedLists(vocabulary)
  const texts = json.conditions.flatMap(({ body }) => checkTexts(body, known))
  return [...new Map([...entities, ...texts].map(fault => [fault.message, fault])).values()]
}

function checkEntity({ type, id }: EntityName, vocabulary: Vocabulary): string | null {
  const { issuers } = vocabulary
  switch (type) {
    case 'Ostiary::Role':
      return among(
        'role',
        id,
        vocabulary.roles,
        'roles of your own stand in policies.roles, or in the grants of an issuer',
      )
    case 'Ostiary::ModelGroup':
      return among('group of models', id, Object.keys(vocabulary.modelGroups), 'groups stand in policies.modelGroups')
    case 'Ostiary::Provider':
      return among('provider', id, vocabulary.providers)
    case 'Ostiary::Issuer':
      return among('issuer', id, issuers)
    case 'Ostiary::Service':
      return among('service', id, vocabulary.services)
    case 'Ostiary::Action':
      return among('action', id, actionNames(vocabulary))
    case 'Ostiary::Model':
      if (id.includes('*'))
        return `the model ${JSON.stringify(id)} is no pattern here: make a group in policies.modelGroups`
      return isServed(id, vocabulary.models) ? null : among('model', id, vocabulary.models)
    case 'Ostiary::Project':
      return /^proj_[a-z0-9_]{1,64}$/.test(id) ? null : `${JSON.stringify(id)} is no id of a project, \`proj_…\``
    case 'Ostiary::ApiKey':
      return /^key_[a-z0-9]{1,64}$/.test(id) ? null : `${JSON.stringify(id)} is no id of a key, \`key_…\``
    case 'Ostiary::User':
      return checkSubject(id, ':', issuers)
    case 'Ostiary::ServiceAccount':
      return checkSubject(id, '/', issuers)
    default:
      // Cedar’s validator knows every type.
      return null
  }
}

/** `<issuer>:<subject>` or `<issuer>/<subject>`: no name of an issuer holds either. */
function checkSubject(id: string, between: ':' | '/', issuers: readonly string[]): string | null {
  const issuer = id.slice(0, Math.max(0, id.indexOf(between)))
  if (issuer === '') return `${JSON.stringify(id)} must be \`<issuer>${between}<subject>\``
  return among('issuer', issuer, issuers)
}

function actionNames({ actions }: Vocabulary): string[] {
  return [...actions.map(({ id }) => id), ...actionGroups.filter(group => group !== 'models.list')]
}

const SHOWN = 12

function among(what: string, name: string, known: readonly string[], where?: string): string | null {
  if (known.includes(name)) return null
  return `there is no ${what} ${JSON.stringify(name)}: ${thereAre(known)}${where === undefined ? '' : `; ${where}`}`
}

function thereAre(known: readonly string[]): string {
  const more = known.length > SHOWN ? ` and ${known.length - SHOWN} more` : ''
  return known.length === 0 ? 'there is none' : `there are ${known.slice(0, SHOWN).join(', ')}${more}`
}

type ClosedLists = ReadonlyMap<string, readonly string[]>

/** By the name of the attribute, which means the same wherever it stands. */
function closedLists({ actions }: Vocabulary): ClosedLists {
  const all = Object.entries({ ...principalAttributes, ...volatileContext, ...stableContext })
  const lists = all.flatMap(([name, { values }]) => (values === undefined ? [] : [[name, values] as const]))
  return new Map([...lists, ['scopes', [...new Set([...scopes, ...actions.flatMap(action => action.scopes)])]]])
}

const COMPARING = ['==', '!=', 'contains', 'containsAll', 'containsAny']

/** Texts that an attribute with a closed list of values is compared with, and is never. */
function checkTexts(expr: unknown, known: ClosedLists): NameFault[] {
  if (typeof expr !== 'object' || expr === null) return []
  return Object.entries(expr).flatMap(([operator, operands]) => {
    const inner = checkTexts(operands, known)
    if (!COMPARING.includes(operator) || typeof operands !== 'object' || operands === null) return inner
    const { left, right } = operands as { left?: Expr; right?: Expr }
    if (left === undefined || right === undefined) return inner
    const [one, other] = [attributeOf(left, known), attributeOf(right, known)]
    return [...inner, ...compared(one, right, known), ...compared(other, left, known)]
  })
}

function attributeOf(expr: Expr, known: ClosedLists): string | undefined {
  if (!('.' in expr)) return undefined
  const { left, attr } = expr['.'] as { left: Expr; attr: string }
  const variable = variableOf(left)
  return (variable === 'context' || variable === 'principal') && known.has(attr) ? attr : undefined
}

function compared(attribute: string | undefined, with_: Expr, known: ClosedLists): NameFault[] {
  if (attribute === undefined) return []
  const list = 'Set' in with_ ? (with_.Set as Expr[]) : [with_]
  const texts = list
    .map(entry => ('Value' in entry ? entry.Value : undefined))
    .filter(value => typeof value === 'string')
  const values = known.get(attribute) ?? []
  const never = texts.filter(text => !values.includes(text))
  return never.map(text => ({
    name: text,
    message: `\`${attribute}\` is never ${JSON.stringify(text)}: ${thereAre(values)}`,
  }))
}
