import type { ChainHead, ChangeLink, DecisionLink } from '#core/audit-chain.ts'
import { CHANGES_CHAIN } from '#core/audit-chain.ts'
import type { Checkpoint } from '#core/checkpoint.ts'

export type ChangeRow = ChangeLink & ChainHead
export type DecisionsRow = DecisionLink & ChainHead

/**
 * Reads the audit of a database that may be in use, without the gateway and without writing. Rows come in order of
 * `seq`, a page at a time. Rejects with `Problem('store.unavailable')`.
 */
export interface AuditReader extends AsyncDisposable {
  /** Chains of decisions, in order of name. */
  chains(): Promise<readonly string[]>
  /** Least and greatest `seq` of a chain; undefined = it has no row. */
  extent(chain: string): Promise<{ readonly first: number; readonly last: number } | undefined>
  changes(after: number): Promise<readonly ChangeRow[]>
  decisions(chain: string, after: number): Promise<readonly DecisionsRow[]>
  /** Where the chain of changes says that it stands. */
  changesHead(): Promise<ChainHead | undefined>
  checkpoints(after: number): Promise<readonly Checkpoint[]>
}

/** Rows of a statement whose parameters are `$1`, `$2` … */
export type Query = (sql: string, parameters: readonly unknown[]) => Promise<readonly unknown[]>

const SMALL_PAGE = 32
const PAGE = 1000

/** The reader over any database's way to ask. */
export function auditReader(query: Query, close: () => Promise<void>): AuditReader {
  const ask = <T>(sql: string, ...parameters: unknown[]) => query(sql, parameters) as Promise<readonly T[]>
  return {
    async chains() {
      const names: string[] = []
      for (;;) {
        const [next] = await ask<{ chain: string }>(NEXT_CHAIN, names.at(-1) ?? '')
        if (next === undefined) return names
        names.push(next.chain)
      }
    },
    async extent(chain) {
      const [ends] = await (chain === CHANGES_CHAIN ? ask<Ends>(CHANGES_EXTENT) : ask<Ends>(DECISIONS_EXTENT, chain))
      return ends?.first == null || ends.last == null ? undefined : { first: ends.first, last: ends.last }
    },
    changes: after => ask<ChangeRow>(CHANGES, after),
    decisions: (chain, after) => ask<DecisionsRow>(DECISIONS, chain, after),
    async changesHead() {
      return (await ask<ChainHead>(CHANGES_HEAD))[0]
    },
    checkpoints: after => ask<Checkpoint>(CHECKPOINTS, after),
    [Symbol.asyncDispose]: close,
  }
}

interface Ends {
  readonly first: number | null
  readonly last: number | null
}

const NEXT_CHAIN = 'select chain from audit_decisions where chain > $1 order by chain limit 1'
const CHANGES_EXTENT = 'select min(seq) as first, max(seq) as last from audit_changes'
const DECISIONS_EXTENT = `select (select min(seq) from audit_decisions where chain = $1) as first,
  (select max(seq) from audit_decisions where chain = $1) as last`
const CHANGES = `select seq, id, at, type, data, hash from audit_changes where seq > $1 order by seq limit ${PAGE}`
const DECISIONS = `select seq, first_at as "firstAt", last_at as "lastAt", count, data, hash
  from audit_decisions where chain = $1 and seq > $2 order by seq limit ${SMALL_PAGE}`
const CHANGES_HEAD = `select seq, hash from audit_heads where chain = '${CHANGES_CHAIN}'`
const CHECKPOINTS = `select seq, at, heads, previous, key_id as "keyId", signature
  from audit_checkpoints where seq > $1 order by seq limit ${PAGE}`
