import { type ActionGroup, actionGroups } from '#core/action.ts'
import { principalAttributes, stableContext, volatileContext } from './attributes.ts'
import type { Vocabulary } from './vocabulary.ts'

/** The schema that the policies of a configuration are validated against, in Cedar’s language. */
export function makeSchema(vocabulary: Vocabulary): string {
  const { roles, modelGroups, providers, issuers } = vocabulary
  const groups = actionGroups.filter(group => group !== 'models.list')
  const callers = issuers.length === 0 ? ['ApiKey'] : ['ApiKey', 'User', 'ServiceAccount']
  const lines = [
    '// Roles that somebody can have.',
    closed('Role', roles),
    '',
    '// Projects by id, `proj_…`.',
    'entity Project;',
    '',
    '// Issuers of tokens.',
    closed('Issuer', issuers),
    '',
    closed('Provider', providers),
    '',
    closed('ModelGroup', Object.keys(modelGroups)),
    '',
    '// An API key by id, `key_…`. Its tags are its metadata.',
    `entity ApiKey in [Role, Project] = {${attributesOf(false)}} tags String;`,
    '',
    '// A person by issuer and subject, `company:alice`.',
    `entity User in [Role, Project] = {${attributesOf(true)}};`,
    '',
    '// A program by issuer and subject, `company/reporter`.',
    `entity ServiceAccount in [Role, Project] = {${attributesOf(true)}};`,
    '',
    '// A model by the name that callers use. `test` = test credentials reach it.',
    'entity Model in [ModelGroup, Provider] = {\n  provider: Provider,\n  test: Bool,\n};',
    '',
    'entity Service = {\n  test: Bool,\n};',
    '',
    `type ModelCall = {${contextOf('models')}};`,
    '',
    `type ServiceCall = {${contextOf('services')}};`,
    '',
    '// Groups of actions.',
    `action ${groups.map(quote).join(', ')};`,
    '',
    ...groups.flatMap(group => actionsOf(group, vocabulary, callers)),
  ]
  return `namespace Ostiary {\n${indent(lines.join('\n'))}\n}\n`
}

function actionsOf(group: ActionGroup, { actions }: Vocabulary, callers: readonly string[]): string[] {
  const ids = actions.filter(action => action.group === group).map(({ id }) => quote(id))
  if (ids.length === 0) return []
  const [resource, context] = group.startsWith('models.') ? ['Model', 'ModelCall'] : ['Service', 'ServiceCall']
  const applies = `principal: [${callers.join(', ')}],\n  resource: ${resource},\n  context: ${context},`
  return [`action ${ids.join(', ')} in [${quote(group)}] appliesTo {\n  ${applies}\n};`, '']
}

/** An enumeration has one name at least: where there is none, none can be named. */
function closed(type: string, names: readonly string[]): string {
  return names.length === 0 ? `entity ${type};` : `entity ${type} enum [${names.map(quote).join(', ')}];`
}

function attributesOf(token: boolean): string {
  return members(Object.entries(principalAttributes).filter(([, attribute]) => token || attribute.token === undefined))
}

function contextOf(kind: 'models' | 'services'): string {
  const all = Object.entries({ ...stableContext, ...volatileContext })
  return members(all.filter(([, { of }]) => of === undefined || of === kind))
}

function members(
  attributes: readonly (readonly [string, { readonly type: string; readonly optional?: true }])[],
): string {
  const lines = attributes.map(([name, { type, optional }]) => `  ${name}${optional ? '?' : ''}: ${type},`)
  return `\n${lines.join('\n')}\n`
}

function indent(text: string): string {
  return text.replace(/^(?=.)/gm, '  ').trimEnd()
}

/** A string of Cedar’s language. */
function quote(text: string): string {
  const escaped = (char: string) =>
    char === '"' || char === '\\' ? `\\${char}` : `\\u{${(char.codePointAt(0) as number).toString(16)}}`
  return `"${text.replace(/["\\\p{C}]/gu, escaped)}"`
}
