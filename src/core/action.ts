import { type OperationId, operationScopes } from './operations.ts'

/**
 * Kinds of actions, by which policies allow many at once: models are listed or called, a service is read (GET, HEAD, OPTIONS),
 * written (any other method) or connected to (an upgrade of the connection).
 */
export const actionGroups = [
  'models.list',
  'models.call',
  'services.read',
  'services.write',
  'services.connect',
] as const

export type ActionGroup = (typeof actionGroups)[number]

/** What a caller asks to do, as authorization sees it. */
export interface Action {
  /** Of a model’s endpoint the id of its operation, `openai.chat`; of a service its name and the operation’s, `catalog.read`. */
  readonly id: string
  /** Scopes that a credential needs for it, all of them. */
  readonly scopes: readonly string[]
  readonly group: ActionGroup
}

const builtIn = new Map(
  (Object.keys(operationScopes) as OperationId[]).map(id => {
    const scope = operationScopes[id]
    const group: ActionGroup = scope === 'models:read' ? 'models.list' : 'models.call'
    return [id, Object.freeze<Action>({ id, scopes: [scope], group })]
  }),
)

/** The actions of the models’ endpoints. */
export const modelActions: readonly Action[] = [...builtIn.values()]

export function actionOf(operation: OperationId): Action {
  return builtIn.get(operation) as Action
}
