import type { Action, ActionGroup } from './action.ts'

/** Methods that a service is read by; all others write. */
export const readMethods: readonly string[] = ['GET', 'HEAD', 'OPTIONS']

/** Operations that every service has unless its own come first; `connect` where it takes WebSockets. */
export const usualOperations = ['read', 'write', 'connect'] as const

/** What the configuration says of a service’s operations. */
export interface ServiceOperations {
  readonly operations?: Readonly<Record<string, OperationRule | undefined>> | undefined
  readonly webSocket?: boolean | undefined
}

interface OperationRule {
  /** None = any. */
  readonly methods?: readonly string[] | undefined
  /** None = the one that is named like the operation. */
  readonly scopes?: readonly string[] | undefined
}

/** All that may be asked of a service, by the name of the operation: its own ones first, in their order. */
export function serviceActions(
  service: string,
  { operations = {}, webSocket }: ServiceOperations,
): Map<string, Action> {
  const actions = new Map<string, Action>()
  const add = (name: string, group: ActionGroup, scopes = [`${service}:${name}`]) =>
    actions.set(name, Object.freeze({ id: `${service}.${name}`, scopes, group }))
  for (const [name, rule] of Object.entries(operations)) {
    const reads = rule?.methods?.every(method => readMethods.includes(method)) === true
    add(name, reads ? 'services.read' : 'services.write', rule?.scopes && [...rule.scopes])
  }
  add('read', 'services.read')
  add('write', 'services.write')
  if (webSocket) add('connect', 'services.connect')
  return actions
}

/** The actions of all services of a configuration. */
export function actionsOfServices(services: Readonly<Record<string, ServiceOperations | undefined>>): Action[] {
  return Object.entries(services).flatMap(([name, service]) => [...serviceActions(name, service ?? {}).values()])
}
