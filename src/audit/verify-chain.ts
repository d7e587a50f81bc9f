import { CHANGES_CHAIN, type ChainHead, changeHash, decisionHash, EMPTY_CHAIN } from '#core/audit-chain.ts'
import { readHeads } from '#core/checkpoint.ts'
import type { AuditReader, ChangeRow, DecisionsRow } from '#store/audit-reader.ts'
import type { Findings } from './verify.ts'
import { readCheckpoints } from './verify-checkpoints.ts'

export interface ChainReport {
  readonly chain: string
  readonly rows: number
  readonly events: number
  /** Its newest row. */
  readonly last: ChainHead
  /** Rows up to this one were pruned; 0 = none. */
  readonly prunedTo: number
  /** Rows after the newest that a checkpoint signed: written since, or before a crash. */
  readonly unsigned: number
}

interface Parts {
  readonly reader: AuditReader
  readonly chain: string
  /** The last row pruned; undefined = the chain must begin with its first. */
  readonly start: ChainHead | undefined
  /** Numbers of checkpoints that prove nothing. */
  readonly bad: ReadonlySet<number>
  readonly findings: Findings
  readonly onProgress: (rows: number) => void
  /** Told of each record of a pruning in the chain of changes. */
  readonly onPruned: ((chain: string, head: ChainHead) => void) | null
}

/** A row, and what its hash would be behind another. */
interface Link extends ChainHead {
  readonly events: number
  readonly hashBehind: (previous: string) => string
}

/** Checks each row of a chain against the one before it, and against what the checkpoints signed. */
export async function verifyChain(parts: Parts): Promise<ChainReport> {
  const { reader, chain, start = EMPTY_CHAIN, findings } = parts
  const fault = (seq: number, what: string, there = true) => {
    const table = chain === CHANGES_CHAIN ? `audit_changes (${seq})` : `audit_decisions (${chain}, ${seq})`
    findings.add({ chain, seq, row: there ? table : null, what })
  }
  const signed = new SignedHeads(reader, chain, parts.bad)
  let last = start
  let rows = 0
  let events = 0
  // What is pruned must have been what was signed of it.
  await signed.pass(start, fault)
  for await (const link of readLinks(parts)) {
    rows++
    events += link.events
    if (link.seq <= start.seq) {
      fault(link.seq, 'was pruned and is there again')
      continue
    }
    const follows = link.seq === last.seq + 1
    if (!follows) fault(last.seq + 1, missing(last.seq + 1, link.seq - 1, start), false)
    else if (link.hashBehind(last.hash) !== link.hash) {
      fault(link.seq, `was edited, or does not stand behind the row ${last.seq} that it was written behind`)
    }
    last = { seq: link.seq, hash: link.hash }
    await signed.pass(last, fault)
  }
  const rest = await signed.rest(last)
  if (rest !== null) {
    const whole = rows === 0 ? 'the whole chain is gone' : `rows ${last.seq + 1} to ${rest.seq} are gone from its end`
    fault(last.seq + 1, `${whole}: checkpoint ${rest.checkpoint} signed row ${rest.seq}`, false)
  } else if (rows === 0 && start.seq > 0) {
    fault(start.seq + 1, 'the whole chain is gone: pruning leaves the newest row', false)
  }
  return { chain, rows, events, last, prunedTo: start.seq, unsigned: last.seq - Math.max(signed.upTo, start.seq) }
}

function missing(first: number, last: number, start: ChainHead): string {
  const which = first === last ? `row ${first} is missing` : `rows ${first} to ${last} are missing`
  return first === start.seq + 1 ? `${which} from its beginning, and no pruning of them is recorded` : which
}

/** What the good checkpoints say of one chain, read beside its rows: both ascend. */
class SignedHeads {
  /** Greatest row that a checkpoint signed and that is as it was. */
  upTo = 0
  readonly #heads: AsyncIterator<ChainHead & { readonly checkpoint: number }>
  #next: (ChainHead & { readonly checkpoint: number }) | null = null
  #ended = false

  constructor(reader: AuditReader, chain: string, bad: ReadonlySet<number>) {
    this.#heads = signedHeads(reader, chain, bad)
  }

  /** The chain has this row. */
  async pass({ seq, hash }: ChainHead, fault: (seq: number, what: string) => void): Promise<void> {
    for (await this.#advance(); this.#next !== null && this.#next.seq <= seq; await this.#advance()) {
      const { seq: at, hash: expected, checkpoint } = this.#next
      if (at === seq && expected === hash) this.upTo = at
      else if (at === seq)
        fault(seq, `is not the row that checkpoint ${checkpoint} signed: a row from ${this.upTo + 1} on was changed`)
      this.#next = null
    }
  }

  /** The furthest of what was signed beyond the chain's end; null = nothing. */
  async rest({ seq }: ChainHead): Promise<{ readonly seq: number; readonly checkpoint: number } | null> {
    let furthest = null
    for (await this.#advance(); this.#next !== null; await this.#advance()) {
      if (this.#next.seq > seq) furthest = this.#next
      this.#next = null
    }
    return furthest
  }

  async #advance(): Promise<void> {
    if (this.#next !== null || this.#ended) return
    const { value, done } = await this.#heads.next()
    if (done) this.#ended = true
    else this.#next = value
  }
}

async function* signedHeads(reader: AuditReader, chain: string, bad: ReadonlySet<number>) {
  let told = ''
  for await (const { seq: checkpoint, heads } of readCheckpoints(reader)) {
    if (bad.has(checkpoint)) continue
    const head = readHeads(heads).get(chain)
    if (head === undefined || `${head.seq} ${head.hash}` === told) continue
    told = `${head.seq} ${head.hash}`
    yield { ...head, checkpoint }
  }
}

async function* readLinks(parts: Parts): AsyncGenerator<Link> {
  const { reader, chain, onProgress } = parts
  for (let after = 0; ; ) {
    const page =
      chain === CHANGES_CHAIN
        ? (await reader.changes(after)).map(row => changeLink(row, parts))
        : (await reader.decisions(chain, after)).map(row => decisionLink(row, chain))
    yield* page
    const last = page.at(-1)
    if (last === undefined) return
    onProgress(page.length)
    after = last.seq
  }
}

function decisionLink(row: DecisionsRow, chain: string): Link {
  const { seq, hash, count } = row
  return { seq, hash, events: count, hashBehind: previous => decisionHash(previous, chain, seq, row) }
}

function changeLink(row: ChangeRow, { onPruned }: Parts): Link {
  const { seq, hash, type } = row
  if (type === 'audit.pruned' && onPruned !== null) tellOfPruning(row.data, onPruned)
  return { seq, hash, events: 1, hashBehind: previous => changeHash(previous, seq, row) }
}

/** A record that is none was edited, which its hash tells. */
function tellOfPruning(data: string, onPruned: (chain: string, head: ChainHead) => void): void {
  try {
    const { subject, detail } = JSON.parse(data) as { subject: string; detail: ChainHead }
    onPruned(subject, { seq: detail.seq, hash: detail.hash })
  } catch {}
}
