import type { Actor } from '#core/actor.ts'
import type { ChangeEvent } from '#core/events.ts'
import { newId } from '#core/ids.ts'
import type { KeyRecord } from '#store/ports.ts'

type KeyEventType = Extract<ChangeEvent['type'], `key.${string}`>

/** What happened to a key. */
export function keyEvent(
  type: KeyEventType,
  key: KeyRecord,
  by: Pick<Actor, 'id' | 'source' | 'requestId'>,
  at: number,
  more: Readonly<Record<string, unknown>> = {},
): ChangeEvent {
  return {
    type,
    id: newId('evt', at),
    at,
    actor: by.id,
    source: by.source,
    requestId: by.requestId,
    project: key.project,
    subject: key.id,
    detail: { environment: key.environment, name: key.name, ...more },
  }
}

/** All that was decided of a key, but for what says nothing. */
export function settingsOf(key: KeyRecord): Readonly<Record<string, unknown>> {
  const { name, roles, scopes, models, operations, cidrs, deniedCidrs, limits, budgets, binding, metadata } = key
  const addresses = { cidrs, denied_cidrs: deniedCidrs }
  const ends = { expires_at: key.expiresAt }
  const all = { name, roles, scopes, models, operations, ...addresses, limits, budgets, binding, ...ends }
  const said = Object.entries(all).filter(([, value]) => value !== null)
  return { ...Object.fromEntries(said), ...(Object.keys(metadata).length > 0 && { metadata }) }
}
