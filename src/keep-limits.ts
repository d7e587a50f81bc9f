import { randomUUID } from 'node:crypto'
import type { Logger } from 'pino'
import { internalActor } from '#core/actor.ts'
import type { Clock } from '#core/clock.ts'
import type { ChangeEvent } from '#core/events.ts'
import { newId } from '#core/ids.ts'
import { createLimitsMemory } from '#limits/counter-memory.ts'
import { createLimitsKeeper } from '#limits/keeper.ts'
import type { LimitNotices } from '#limits/ticket.ts'
import type { Store } from '#store/ports.ts'
import { createNoticeQueue } from './notice-queue.ts'

/** What a worker learns of budgets; told to the supervisor, who puts it on record. */
export type BudgetNotice =
  | ({ readonly type: 'threshold' } & Parameters<LimitNotices['onThreshold']>[0])
  | ({ readonly type: 'overrun' } & Parameters<LimitNotices['onOverrun']>[0])

/** The counters of all workers, and what the supervisor does for them. */
export interface LimitsKeeping extends AsyncDisposable {
  readonly memory: SharedArrayBuffer
  /** Names this run of the gateway in the store. */
  readonly epoch: string
  /** Of a worker that is no more, before its number is given to another. */
  reclaim(worker: number): Promise<void>
  /** Written as soon as the store takes it. */
  record(notice: BudgetNotice): void
}

interface Options {
  readonly store: Pick<Store, 'allowances' | 'events'>
  readonly workers: number
  readonly slots: number
  readonly clock: Clock
  readonly log: Logger
}

export function keepLimits({ store, workers, slots, clock, log }: Options): LimitsKeeping {
  const memory = createLimitsMemory({ workers, slots })
  const epoch = randomUUID()
  const { allowances } = store
  const keeper = createLimitsKeeper({
    memory,
    allowances,
    epoch,
    clock,
    onTrouble: error => log.error({ err: error }, 'what was used of budgets could not be noted; it is tried again'),
  })
  const notices = createNoticeQueue({
    record: event => store.events.record(event),
    onTrouble: (error, event) => log.error({ err: error, event }, 'an event of a budget is not written yet'),
  })
  return {
    memory,
    epoch,
    reclaim: worker => keeper.reclaim(worker),
    record: notice => notices.push(eventOf(notice, clock())),
    async [Symbol.asyncDispose]() {
      await notices[Symbol.asyncDispose]()
      await keeper[Symbol.asyncDispose]()
    },
  }
}

function eventOf(notice: BudgetNotice, at: number): ChangeEvent {
  const { type, rule, ...detail } = notice
  return {
    type: type === 'threshold' ? 'budget.threshold_reached' : 'budget.overrun',
    id: newId('evt', at),
    at,
    actor: internalActor('limits').id,
    source: null,
    requestId: null,
    project: ('scope' in detail && detail.scope.project) || null,
    subject: rule,
    detail,
  }
}
