import { type ActionGroup, actionGroups } from '#core/action.ts'
import type { Policy } from './policy.ts'
import type { Vocabulary } from './vocabulary.ts'

/**
 * Why the scope of a policy fits no action, in words: Cedar says of all of these that no action applies. What it names is
 * known to be there.
 */
export function checkActions({ json: { action, resource } }: Policy, { actions }: Vocabulary): string[] {
  const isGroup = (id: string): id is ActionGroup => actionGroups.some(group => group === id)
  if (action.op === '==' && 'entity' in action) {
    const { id } = idOf(action.entity)
    if (isGroup(id)) return [`${quote(id)} is a group of actions: write \`action in Ostiary::Action::${quote(id)}\``]
  }
  const named = namedIn(action)
  const meant = actions.filter(({ id, group }) => named === null || named.includes(id) || named.includes(group))
  if (meant.length === 0 && named !== null) return named.filter(isGroup).map(sayEmpty)
  const kind = kindOf(resource)
  if (kind === null || meant.some(({ group }) => group.startsWith(kind))) return []
  const what = named === null ? 'no action that there is' : named.map(quote).join(', ')
  return kind === 'models.'
    ? [`${what} is done to services, and the resource of the policy is a model, a group or a provider of models`]
    : [`${what} is done to models, and the resource of the policy is a service`]
}

function sayEmpty(group: ActionGroup): string {
  const why = group === 'services.connect' ? 'no service has `webSocket: true`' : 'no service is configured'
  return `no action is in the group ${quote(group)}: ${why}`
}

/** null = it is about every action. */
function namedIn(action: Policy['json']['action']): string[] | null {
  if (action.op === 'All') return null
  if ('entities' in action) return action.entities.map(entity => idOf(entity).id)
  return 'entity' in action ? [idOf(action.entity).id] : []
}

/** What the names of the groups of its actions begin with; null = it is of any kind, or Cedar says what is wrong with it. */
function kindOf(resource: Policy['json']['resource']): 'models.' | 'services.' | null {
  if (resource.op === 'All') return null
  const type = 'entity_type' in resource ? resource.entity_type : 'entity' in resource ? idOf(resource.entity).type : ''
  if (type === 'Ostiary::Service') return 'services.'
  return ['Ostiary::Model', 'Ostiary::ModelGroup', 'Ostiary::Provider'].includes(type) ? 'models.' : null
}

function idOf(entity: { type: string; id: string } | { __entity: { type: string; id: string } }) {
  return '__entity' in entity ? entity.__entity : entity
}

function quote(text: string): string {
  return JSON.stringify(text)
}
