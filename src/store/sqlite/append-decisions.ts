import { type ChainHead, EMPTY_CHAIN } from '#core/audit-chain.ts'
import type { UsageDelta } from '#core/usage-delta.ts'
import type { DecisionRow } from '#store/ports.ts'
import { addUsage, countColumns, groupColumns, insertUsage, usageJson } from '#store/usage-columns.ts'
import type { Connection } from './connections.ts'

/** Where a chain of decisions stands. */
export const CHAIN_HEAD = 'select seq, hash from audit_decisions where chain = ? order by seq desc limit 1'
const ROW_HASH = 'select hash from audit_decisions where chain = ? and seq = ?'
const INSERT =
  'insert into audit_decisions (chain, seq, first_at, last_at, count, data, hash) values (?, ?, ?, ?, ?, ?, ?)'
const VALUES = [...groupColumns, ...countColumns].map((_, i) => `value ->> ${i}`)
// `where true` tells the parser that what follows is no join.
const ADD_USAGE = `${insertUsage} select ${VALUES.join(', ')} from json_each(?) where true ${addUsage('min')}`

/**
 * Inside a write transaction: writes the row where it follows its chain's newest, and adds the usage where it writes.
 * Returns where the chain stands then.
 */
export function appendDecisions(writer: Connection, row: DecisionRow, usage: readonly UsageDelta[]): ChainHead {
  const { chain, seq, previous, hash } = row
  const head = (writer.run({ sql: CHAIN_HEAD, parameters: [chain] }).rows[0] as ChainHead | undefined) ?? EMPTY_CHAIN
  if (head.seq + 1 === seq && head.hash === previous) {
    writer.run({ sql: INSERT, parameters: [chain, seq, row.firstAt, row.lastAt, row.count, row.data, hash] })
    if (usage.length > 0) writer.run({ sql: ADD_USAGE, parameters: [usageJson(usage)] })
    return { seq, hash }
  }
  // Written before, by a request whose answer got lost.
  const there = writer.run({ sql: ROW_HASH, parameters: [chain, seq] }).rows[0] as { hash: string } | undefined
  return there?.hash === hash ? { seq, hash } : head
}
