import { internalActor } from '#core/actor.ts'
import { CHANGES_CHAIN } from '#core/audit-chain.ts'
import { startChore } from '#core/chore.ts'
import type { Clock } from '#core/clock.ts'
import type { ChangeEvent } from '#core/events.ts'
import { newId } from '#core/ids.ts'
import type { AuditStore, PrunedRows } from '#store/ports.ts'

const EVERY_MS = 3_600_000
const DAY_MS = 86_400_000
/** Rows of one transaction: others wait for it to write. */
const MAX_ROWS = 500

interface RetentionOptions {
  readonly store: Pick<AuditStore, 'heads' | 'prune'>
  readonly days: number
  readonly clock: Clock
  readonly onTrouble: (error: unknown) => void
}

/** Deletes decisions that are older than is kept, now and each hour, and records that and where. */
export function startRetention(options: RetentionOptions): AsyncDisposable {
  return startChore({
    everyMs: EVERY_MS,
    work: stopped => pruneAll(options, stopped),
    onTrouble: options.onTrouble,
  })
}

async function pruneAll({ store, days, clock }: RetentionOptions, stopped: AbortSignal): Promise<void> {
  const now = clock()
  for (const chain of Object.keys(await store.heads())) {
    if (chain === CHANGES_CHAIN) continue
    const record = (pruned: PrunedRows) => prunedEvent(chain, pruned, now)
    while (!stopped.aborted && (await store.prune(chain, now - days * DAY_MS, MAX_ROWS, record)) === MAX_ROWS);
  }
}

function prunedEvent(chain: string, { seq, hash, rows, events }: PrunedRows, at: number): ChangeEvent {
  const { id: actor, source, requestId } = internalActor('retention')
  const detail = { seq, hash, rows, events }
  return {
    type: 'audit.pruned',
    id: newId('evt', at),
    at,
    actor,
    source,
    requestId,
    project: null,
    subject: chain,
    detail,
  }
}
