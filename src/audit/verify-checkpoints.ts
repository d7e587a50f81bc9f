import type { KeyObject } from 'node:crypto'
import { EMPTY_CHAIN } from '#core/audit-chain.ts'
import { type Checkpoint, checkpointHash, isSignedBy, readHeads } from '#core/checkpoint.ts'
import type { AuditReader } from '#store/audit-reader.ts'
import type { Findings } from './verify.ts'

interface Parts {
  readonly reader: AuditReader
  readonly keys: ReadonlyMap<string, KeyObject>
  readonly anchor: AsyncIterable<string> | null
  readonly findings: Findings
}

interface Signed {
  /** Chains that a good checkpoint names. */
  readonly chains: ReadonlySet<string>
  /** Numbers of checkpoints that prove nothing. */
  readonly bad: ReadonlySet<number>
  readonly newest: { readonly seq: number; readonly at: number } | null
  readonly provedUntil: number | null
}

/** Checks that the checkpoints are the gateway's, follow one another, and are those that the anchor has. */
export async function verifyCheckpoints({ reader, keys, anchor, findings }: Parts): Promise<Signed> {
  const chains = new Set<string>()
  const bad = new Set<number>()
  const anchored = new AnchorReading(anchor, keys, findings)
  let seq = 0
  let newest: Signed['newest'] = null
  let previous: string | null = EMPTY_CHAIN.hash
  for await (const checkpoint of readCheckpoints(reader)) {
    const fault = (what: string) => {
      bad.add(checkpoint.seq)
      const row = `audit_checkpoints (${checkpoint.seq})`
      findings.add({ chain: 'checkpoints', seq: checkpoint.seq, row, what })
    }
    if (checkpoint.seq !== seq + 1) {
      findings.add({ chain: 'checkpoints', seq: seq + 1, row: null, what: gap(seq + 1, checkpoint.seq - 1) })
      previous = null
    }
    const wrong = faultOf(checkpoint, keys)
    if (wrong !== null) fault(wrong)
    else for (const chain of readHeads(checkpoint.heads).keys()) chains.add(chain)
    if (previous !== null && checkpoint.previous !== previous)
      fault(`does not follow checkpoint ${seq}: one of them was replaced`)
    previous = checkpointHash(checkpoint)
    await anchored.compare(checkpoint, previous)
    seq = checkpoint.seq
    newest = { seq, at: checkpoint.at }
  }
  await anchored.finish(seq)
  return { chains, bad, newest, provedUntil: anchored.provedUntil }
}

export async function* readCheckpoints(reader: AuditReader): AsyncGenerator<Checkpoint> {
  for (let after = 0; ; ) {
    const page = await reader.checkpoints(after)
    yield* page
    const last = page.at(-1)
    if (last === undefined) return
    after = last.seq
  }
}

/** What is wrong with a checkpoint by itself; null = nothing. */
function faultOf(checkpoint: Checkpoint, keys: ReadonlyMap<string, KeyObject>): string | null {
  const key = keys.get(checkpoint.keyId)
  if (key === undefined) return `is signed by the key ${checkpoint.keyId}, which was not given`
  return isSignedBy(checkpoint, key) ? null : 'was changed: its signature does not fit'
}

function gap(first: number, last: number): string {
  return first === last ? `checkpoint ${first} is missing` : `checkpoints ${first} to ${last} are missing`
}

/** The anchor's lines, beside the database's checkpoints: both ascend. */
class AnchorReading {
  provedUntil: number | null = null
  readonly #lines: AsyncIterator<string> | null
  readonly #keys: ReadonlyMap<string, KeyObject>
  readonly #findings: Findings
  #line = 0
  /** Read and not yet met in the database. */
  #next: Checkpoint | null = null
  /** Met last. */
  #met = { seq: 0, hash: '' }
  #ended = false

  constructor(lines: AsyncIterable<string> | null, keys: ReadonlyMap<string, KeyObject>, findings: Findings) {
    this.#lines = lines?.[Symbol.asyncIterator]() ?? null
    this.#keys = keys
    this.#findings = findings
  }

  /** Compares a checkpoint of the database with the anchor's of the same number, if it has one. */
  async compare(checkpoint: Checkpoint, hash: string): Promise<void> {
    await this.#advance()
    while (this.#next !== null && this.#next.seq <= checkpoint.seq) {
      const anchored = this.#next
      if (anchored.seq < checkpoint.seq) this.#fault(`has checkpoint ${anchored.seq}, which the database has not`)
      else if (checkpointHash(anchored) !== hash)
        this.#fault(`has another checkpoint ${anchored.seq} than the database: that one was replaced`)
      else this.provedUntil = anchored.at
      this.#met = { seq: anchored.seq, hash: checkpointHash(anchored) }
      this.#next = null
      await this.#advance()
    }
  }

  async finish(last: number): Promise<void> {
    for (await this.#advance(); this.#next !== null; await this.#advance()) {
      this.#fault(`has checkpoint ${this.#next.seq}, but the database ends with ${last}: the rest was cut off`)
      this.#next = null
    }
  }

  /** Reads on to the next line that is worth comparing. */
  async #advance(): Promise<void> {
    while (this.#next === null && !this.#ended && this.#lines !== null) {
      const { value, done } = await this.#lines.next()
      if (done) {
        this.#ended = true
        return
      }
      this.#line++
      if (value.trim() !== '') this.#read(value)
    }
  }

  #read(text: string): void {
    const checkpoint = parse(text)
    const wrong = checkpoint === null ? 'is not a checkpoint' : faultOf(checkpoint, this.#keys)
    if (checkpoint === null || wrong !== null) this.#fault(wrong ?? '')
    else if (checkpoint.seq > this.#met.seq) this.#next = checkpoint
    // The same again was delivered twice.
    else if (checkpoint.seq !== this.#met.seq || checkpointHash(checkpoint) !== this.#met.hash) {
      this.#fault(`goes back to checkpoint ${checkpoint.seq}: the database was set back`)
    }
  }

  #fault(what: string): void {
    this.#findings.add({ chain: 'anchor', seq: this.#line, row: `line ${this.#line}`, what })
  }
}

function parse(text: string): Checkpoint | null {
  try {
    const { seq, at, heads, previous, keyId, signature } = JSON.parse(text) as Checkpoint
    const texts = [heads, previous, keyId, signature]
    if (!Number.isSafeInteger(seq) || !Number.isSafeInteger(at)) return null
    return texts.every(member => typeof member === 'string') ? { seq, at, heads, previous, keyId, signature } : null
  } catch {
    return null
  }
}
