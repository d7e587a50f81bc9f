import type { MessagePort } from 'node:worker_threads'
import type { UsageDelta } from '#core/usage-delta.ts'
import type { Change, DecisionRow } from '#store/ports.ts'

/**
 * What a client asks of the database thread. `id` is chosen by the client and names the reply; `deadline`
 * (`monotonicMs`) is when the client gives up: what has not begun by then must not be done.
 */
export type Request =
  | ({ readonly type: 'read'; readonly id: number; readonly deadline: number } & Statement)
  | ({ readonly type: 'write'; readonly id: number; readonly deadline: number } & Statement)
  | {
      readonly type: 'append'
      readonly id: number
      readonly deadline: number
      readonly row: DecisionRow
      readonly usage: readonly UsageDelta[]
    }
  | { readonly type: 'begin'; readonly id: number; readonly deadline: number; readonly leaseMs: number }
  /** `lease` is the id of the request that began it. */
  | ({ readonly type: 'run'; readonly id: number; readonly lease: number } & Statement)
  | { readonly type: 'commit'; readonly id: number; readonly lease: number }
  /** Ends a lease, or withdraws the request for it. Never answered. */
  | { readonly type: 'rollback'; readonly lease: number }
  /** Asks for the changes after `after`; null = from now on. Never answered. */
  | { readonly type: 'follow'; readonly after: number | null }

export interface Statement {
  readonly sql: string
  readonly parameters: readonly unknown[]
}

export type Message =
  | { readonly type: 'done'; readonly id: number; readonly result: StatementResult }
  | { readonly type: 'failed'; readonly id: number; readonly error: SqliteFailure }
  | { readonly type: 'changes'; readonly changes: readonly Change[] }
  /** At `at` (`monotonicMs`) nothing was committed beyond `seq`. */
  | { readonly type: 'heartbeat'; readonly at: number; readonly seq: number }

export interface StatementResult {
  readonly rows: readonly unknown[]
  /** Rows changed. */
  readonly changes: number
}

export interface SqliteFailure {
  readonly message: string
  /** SQLite's extended result code; null = the failure is not SQLite's. */
  readonly code: number | null
}

/** What the starter of the thread says to it, and it to them. */
export type Order = { readonly type: 'attach'; readonly port: MessagePort } | { readonly type: 'stop' }
export type Notice =
  | { readonly type: 'ready' }
  | { readonly type: 'failed'; readonly message: string; readonly code: number | null }

/** One clock for all threads of the process, in ms, that no adjustment of the wall clock moves. */
export function monotonicMs(): number {
  return Number(process.hrtime.bigint()) / 1e6
}
