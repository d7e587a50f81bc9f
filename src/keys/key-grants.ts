import { modelActions } from '#core/action.ts'
import type { Actor } from '#core/actor.ts'
import { Problem } from '#core/problems.ts'
import type { KeySettings } from './key-settings.ts'
import type { KeyVocabulary } from './key-vocabulary.ts'

/** What policies and services, which are of the whole gateway, go by. */
type Granting = Pick<KeySettings, 'roles' | 'scopes' | 'metadata'>

const modelScopes = new Set(modelActions.flatMap(({ scopes }) => scopes))
/** What of a key says how much it may use, and nothing about what for, by whom or until when. */
const AMOUNTS: ReadonlySet<string> = new Set(['name', 'limits', 'budgets'])

/**
 * Throws `admin.forbidden` where an actor who may not grant would give a key, take over or alter one that has roles, scopes of services
 * or tags that policies read.
 */
export function requireMayGrant({ mayGrant }: Pick<Actor, 'mayGrant'>, key: Granting, vocabulary: KeyVocabulary): void {
  if (mayGrant) return
  const grants = grantsOf(key, vocabulary)
  if (grants.length === 0) return
  throw new Problem('admin.forbidden', {
    detail: `The token is limited to projects and lacks the scope keys:grant, which keys need that have ${grants.join(' and ')}.`,
  })
}

/** The same for a change: of a key that has such things, or would, whoever may not grant changes name, limits and budgets only. */
export function requireMayChange(
  by: Pick<Actor, 'mayGrant'>,
  key: Granting,
  update: Partial<Granting>,
  vocabulary: KeyVocabulary,
): void {
  if (Object.keys(update).every(member => AMOUNTS.has(member))) return
  requireMayGrant(by, key, vocabulary)
  requireMayGrant(by, { ...key, ...update }, vocabulary)
}

/** In words. A scope that no model has is a service’s, also where the configuration has that no more, or not yet again. */
function grantsOf({ roles, scopes, metadata }: Granting, { actions, tagsRead }: KeyVocabulary): string[] {
  const ofServices = new Set(actions.flatMap(({ group, scopes }) => (group.startsWith('services.') ? scopes : [])))
  const told: readonly (readonly [string, readonly string[]])[] = [
    ['roles', roles ?? []],
    ['scopes of services', (scopes ?? []).filter(scope => ofServices.has(scope) || !modelScopes.has(scope))],
    ['tags that policies read', Object.keys(metadata).filter(name => tagsRead === null || tagsRead.has(name))],
  ]
  return told.flatMap(([what, names]) => (names.length === 0 ? [] : [`${what} (${names.join(', ')})`]))
}
