import type { KeyObject } from 'node:crypto'
import { CHANGES_CHAIN, type ChainHead } from '#core/audit-chain.ts'
import type { AuditReader } from '#store/audit-reader.ts'
import { type ChainReport, verifyChain } from './verify-chain.ts'
import { verifyCheckpoints } from './verify-checkpoints.ts'

/** Something that is not as it was written. */
export interface Finding {
  /** Chain, or `checkpoints`, or `anchor`. */
  readonly chain: string
  /** Row of the chain, number of the checkpoint or line of the anchor. */
  readonly seq: number
  /** Where that is in the database; null = nowhere, which is what is wrong. */
  readonly row: string | null
  readonly what: string
}

export interface VerifyOptions {
  readonly reader: AuditReader
  /** Public keys by their ids. */
  readonly keys: ReadonlyMap<string, KeyObject>
  /** Lines of an anchor file, oldest first; null = there is none. */
  readonly anchor: AsyncIterable<string> | null
  readonly onProgress: (rows: number, ofRows: number) => void
}

export interface AuditReport {
  /** `proved` = as the anchor has it up to `provedUntil`; `consistent` = nothing contradicts, for want of an anchor. */
  readonly result: 'proved' | 'consistent' | 'tampered'
  /** Time of the newest anchored checkpoint, ms since the epoch. */
  readonly provedUntil: number | null
  /** Number and time of the newest checkpoint. */
  readonly checkpoint: { readonly seq: number; readonly at: number } | null
  readonly events: number
  readonly chains: readonly ChainReport[]
  /** The first of what is wrong. */
  readonly findings: readonly Finding[]
  /** All of it. */
  readonly findingCount: number
}

const MAX_FINDINGS = 100

/** What is wrong, the first of it in full: a broken audit must not fill the memory. */
export class Findings {
  readonly first: Finding[] = []
  count = 0

  add(finding: Finding): void {
    this.count++
    if (this.first.length < MAX_FINDINGS) this.first.push(finding)
  }
}

/** Checks the whole audit of a database, page by page. */
export async function verifyAudit({ reader, keys, anchor, onProgress }: VerifyOptions): Promise<AuditReport> {
  const findings = new Findings()
  const signed = await verifyCheckpoints({ reader, keys, anchor, findings })
  const present = await reader.chains()
  const names = [...new Set([...present, ...signed.chains])].filter(chain => chain !== CHANGES_CHAIN).sort()
  const total = await countRows(reader, [CHANGES_CHAIN, ...names])
  let done = 0
  const progress = (rows: number) => {
    done += rows
    onProgress(done, total)
  }

  /** What is left of a chain of decisions follows these rows. */
  const pruned = new Map<string, ChainHead>()
  const onPruned = (chain: string, head: ChainHead) => {
    if (head.seq > (pruned.get(chain)?.seq ?? 0)) pruned.set(chain, head)
  }
  const parts = { reader, findings, bad: signed.bad, onProgress: progress }
  const chains = [await verifyChain({ ...parts, chain: CHANGES_CHAIN, start: undefined, onPruned })]
  for (const chain of new Set([...names, ...pruned.keys()])) {
    chains.push(await verifyChain({ ...parts, chain, start: pruned.get(chain), onPruned: null }))
  }
  await verifyHead(reader, chains[0] as ChainReport, findings)
  return {
    result: findings.count > 0 ? 'tampered' : signed.provedUntil === null ? 'consistent' : 'proved',
    provedUntil: signed.provedUntil,
    checkpoint: signed.newest,
    events: chains.reduce((sum, { events }) => sum + events, 0),
    chains,
    findings: findings.first,
    findingCount: findings.count,
  }
}

async function countRows(reader: AuditReader, chains: readonly string[]): Promise<number> {
  let rows = 0
  for (const chain of chains) {
    const extent = await reader.extent(chain)
    if (extent !== undefined) rows += extent.last - extent.first + 1
  }
  return rows
}

/** The chain of changes keeps its head apart, too; it is what the next change will follow. */
async function verifyHead(reader: AuditReader, changes: ChainReport, findings: Findings): Promise<void> {
  const head = await reader.changesHead()
  if (head !== undefined && head.seq === changes.last.seq && (head.seq === 0 || head.hash === changes.last.hash)) return
  findings.add({
    chain: CHANGES_CHAIN,
    seq: head?.seq ?? 0,
    row: head === undefined ? null : `audit_heads (${CHANGES_CHAIN})`,
    what: `the head of the chain is not its newest row, ${changes.last.seq}`,
  })
}
