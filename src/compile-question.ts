import { isIP } from 'node:net'
import { suggest } from '#config/nearest.ts'
import type { VerifiedIdentity } from '#core/principal.ts'
import { volatileContext } from '#policy/cedar/attributes.ts'
import type { Question } from '#policy/explain.ts'
import { isModelAction, type OpenPolicies } from './open-policies.ts'

/** What a caller asks for, in words. */
export interface Asked {
  readonly action: string
  readonly model: string | undefined
  readonly ip: string
  /** ms since the epoch. */
  readonly at: number
  readonly features: readonly string[]
  readonly method: string | undefined
  readonly path: string | undefined
}

/** Told what is wrong with a member. */
export type Refuse<Member extends string = string> = (member: Member, message: string) => void

/**
 * The question that a call would ask; null = there can be no such call, and `refuse` was told why: it would show nothing.
 * Throws `model.not_found` and `model.wrong_format`.
 */
export function compileQuestion(
  principal: VerifiedIdentity,
  { action: id, model, ip, at, features, method, path }: Asked,
  open: OpenPolicies,
  refuse: Refuse<keyof Asked>,
): Question | null {
  const { actions } = open.vocabulary
  const action = actions.find(action => action.id === id)
  if (action === undefined) {
    const known = actions.map(({ id }) => id)
    refuse('action', `there is no action ${JSON.stringify(id)}${suggest(id, known)}`)
    return null
  }
  let isWrong = false
  const wrong: Refuse<keyof Asked> = (member, message) => {
    isWrong = true
    refuse(member, message)
  }
  if (isIP(ip) === 0) wrong('ip', 'must be an IP address')
  requireKnown('feature', 'features', features, volatileContext.features?.values ?? [], wrong)
  const ofModels = isModelAction(action)
  const where = `must not be set: ${id} is an action on ${ofModels ? 'models' : 'a service'}`
  if (ofModels && model === undefined) wrong('model', `is missing: ${id} is an action on models`)
  if (ofModels && method !== undefined) wrong('method', where)
  if (ofModels && path !== undefined) wrong('path', where)
  if (!ofModels && model !== undefined) wrong('model', where)
  if (!ofModels && features.length > 0) wrong('features', where)
  if (!ofModels && method !== undefined && path !== undefined) {
    const asked = open.actionAt(action, method, path)
    if (asked !== id) wrong('action', `must be ${asked}: that is what ${method} ${path} asks for, and not ${id}`)
  }
  if (isWrong) return null
  const resource = model === undefined ? open.serviceOf(action) : open.findModel(action, model)
  const context = {
    address: ip,
    at,
    ...(method !== undefined && { method }),
    ...(path !== undefined && { path }),
    features: () => features,
  }
  return { principal, action, resource, context, conditions: open.conditionsOf(principal, action) }
}

/** Says of each name that nobody knows which one may have been meant. */
export function requireKnown<Member extends string>(
  what: string,
  member: Member,
  names: readonly string[] | undefined,
  known: readonly string[],
  refuse: Refuse<Member>,
): void {
  for (const name of names ?? []) {
    if (!known.includes(name)) refuse(member, `there is no ${what} ${JSON.stringify(name)}${suggest(name, known)}`)
  }
}
