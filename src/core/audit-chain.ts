import { hash } from 'node:crypto'

/** A place in a chain: its newest row, or `seq` 0 where it has none. */
export interface ChainHead {
  readonly seq: number
  /** Of the row, 64 hexadecimal digits. */
  readonly hash: string
}

/** The chain of changes; every other is a chain of decisions. */
export const CHANGES_CHAIN = 'changes'
/** What was recorded before there were chains. */
export const LEGACY_CHAIN = 'decisions/legacy'
/** What the first row of a chain follows. */
export const EMPTY_CHAIN: ChainHead = { seq: 0, hash: '0'.repeat(64) }

export function decisionsChain(worker: number): string {
  return `decisions/${worker}`
}

/** A change as its row has it. */
export interface ChangeLink {
  readonly id: string
  /** ms since the epoch. */
  readonly at: number
  readonly type: string
  /** The whole event as JSON. */
  readonly data: string
}

/** A batch of decisions as its row has it. */
export interface DecisionLink {
  /** Least and greatest time of its events, ms since the epoch. */
  readonly firstAt: number
  readonly lastAt: number
  /** Its events. */
  readonly count: number
  /** The events as JSON, one a line. */
  readonly data: string
}

/**
 * What the hash of a row is taken of, up to its data. No member before the data can hold a line feed, and all but the
 * data are of known number, so that two different rows never frame to the same text.
 */
function changeFrame(previous: string, seq: number, { id, at, type }: Omit<ChangeLink, 'data'>): string {
  return `ostiary-audit-change-1\n${CHANGES_CHAIN}\n${seq}\n${previous}\n${id}\n${at}\n${type}\n`
}

function decisionFrame(
  previous: string,
  chain: string,
  seq: number,
  { firstAt, lastAt, count }: Omit<DecisionLink, 'data'>,
): string {
  return `ostiary-audit-decisions-1\n${chain}\n${seq}\n${previous}\n${firstAt}\n${lastAt}\n${count}\n`
}

/** The hash of the change that follows `previous` as number `seq`. */
export function changeHash(previous: string, seq: number, link: ChangeLink): string {
  return hash('sha256', changeFrame(previous, seq, link) + link.data, 'hex')
}

export function decisionHash(previous: string, chain: string, seq: number, link: DecisionLink): string {
  return hash('sha256', decisionFrame(previous, chain, seq, link) + link.data, 'hex')
}
