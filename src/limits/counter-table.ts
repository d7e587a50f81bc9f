import {
  BUDGET,
  CONCURRENCY,
  type CounterKind,
  type CounterMemory,
  DURABLE_RATE,
  EMPTY,
  KEY,
  KIND,
  LIFE,
  LIVE,
  PERIOD,
  PERIOD_END,
  RATE,
  REPORTED,
  SECOND,
  STATE,
  USED_AT,
  VALUE,
} from './counter-memory.ts'
import { GENERATION_MASK } from './shared-word.ts'

/** Slots looked at for one counter. */
const PROBES = 128
const LOCK_WAIT_MS = 5
const LOCK_TRIES = 200

/** Which counter: all 32 bytes of a SHA-256 and the start of the period are compared, so that no two are ever taken for one. */
export interface CounterIdentity {
  readonly kind: CounterKind
  readonly key: Int32Array
  /** Start and end of a budget's period, ms since the epoch; 0 = none. */
  readonly period: number
  readonly periodEnd: number
}

/** Where a counter lives, as long as the slot's words are of this generation. */
export interface CounterPlace {
  /** In halves of words. */
  readonly slot: number
  readonly generation: number
  readonly life: number
}

/**
 * Finds the counter or makes it in a slot that is empty or says no more than an empty one would. All under one lock;
 * null = of the few slots that it may be in none is free, or the lock could not be had.
 */
export function placeCounter(
  memory: CounterMemory,
  worker: number,
  identity: CounterIdentity,
  now: number,
): CounterPlace | null {
  if (!lockTable(memory, worker)) return null
  try {
    const first = (identity.key[0] as number) & (memory.slots - 1)
    const probes = Math.min(PROBES, memory.slots)
    let place = -1
    for (let i = 0; i < probes; i++) {
      const slot = memory.slotAt((first + i) & (memory.slots - 1))
      if (isCounter(memory, slot, identity)) return placeOf(memory, slot)
      if (place === -1 && memory.i32[slot + STATE] === EMPTY) place = slot
    }
    if (place !== -1 && retire(memory, place, identity.kind, now)) return settleIn(memory, place, identity, now)
    for (let i = 0; i < probes; i++) {
      const slot = memory.slotAt((first + i) & (memory.slots - 1))
      if (retire(memory, slot, identity.kind, now)) return settleIn(memory, slot, identity, now)
    }
    return null
  } finally {
    unlockTable(memory, worker)
  }
}

/** Finds the counter without making it; null = there is none. Takes no lock: for whoever only looks. */
export function findCounter(memory: CounterMemory, identity: CounterIdentity): CounterPlace | null {
  const first = (identity.key[0] as number) & (memory.slots - 1)
  for (let i = 0; i < Math.min(PROBES, memory.slots); i++) {
    const slot = memory.slotAt((first + i) & (memory.slots - 1))
    if (!isCounter(memory, slot, identity)) continue
    const place = placeOf(memory, slot)
    // It may have gone to another while it was looked at.
    if (isCounter(memory, slot, identity)) return place
  }
  return null
}

/** Whether the slot still is this counter's. */
export function isAt(memory: CounterMemory, { slot, generation }: CounterPlace): boolean {
  memory.words.read(slot + VALUE)
  return memory.words.generation === generation
}

/** The lock of whoever finds, makes or frees counters; false after a second, in which the owner did not let it go. */
export function lockTable(memory: CounterMemory, owner: number): boolean {
  for (let i = 0; i < LOCK_TRIES; i++) {
    const holder = Atomics.compareExchange(memory.i32, memory.lock, 0, owner)
    if (holder === 0) return true
    Atomics.wait(memory.i32, memory.lock, holder, LOCK_WAIT_MS)
  }
  return false
}

/** Also for an owner that is no more. */
export function unlockTable(memory: CounterMemory, owner: number): void {
  if (Atomics.compareExchange(memory.i32, memory.lock, owner, 0) === owner) {
    Atomics.notify(memory.i32, memory.lock, 1)
  }
}

function isCounter(memory: CounterMemory, slot: number, identity: CounterIdentity): boolean {
  const { i32 } = memory
  if (i32[slot + STATE] === EMPTY || i32[slot + KIND] !== identity.kind) return false
  for (let i = 0; i < 8; i++) if (i32[slot + KEY + i] !== identity.key[i]) return false
  return memory.periodOf(slot) === identity.period
}

function placeOf(memory: CounterMemory, slot: number): CounterPlace {
  memory.words.read(slot + VALUE)
  return { slot, generation: memory.words.generation, life: memory.i32[slot + LIFE] as number }
}

/**
 * Ends the life of the slot's counter if nothing is lost by it: a rate whose time has come says what a new one says, and
 * so does a count of zero. By a swap, so that it fails if somebody commits at the same time, and who commits later fails.
 * What the store has a slice of is closed by the keeper first and then is as before it was loaded. A rate begins now and not at 0, so that no two
 * lives of a slot ever have the same word.
 */
function retire({ i32, words }: CounterMemory, slot: number, next: CounterKind, now: number): boolean {
  words.read(slot + VALUE)
  const kind = i32[slot + KIND]
  const spent =
    i32[slot + STATE] === EMPTY ||
    (kind === RATE && words.value <= now) ||
    (kind === CONCURRENCY && words.value === 0) ||
    (i32[slot + STATE] === LIVE && (kind === BUDGET || kind === DURABLE_RATE))
  return spent && words.swap(slot + VALUE, next === RATE ? now : 0, (words.generation + 1) & GENERATION_MASK)
}

function settleIn(memory: CounterMemory, slot: number, identity: CounterIdentity, now: number): CounterPlace {
  const { i32, f64, words } = memory
  Atomics.store(i32, slot + STATE, EMPTY)
  i32.set(identity.key, slot + KEY)
  f64[(slot + PERIOD) >>> 1] = identity.period
  f64[(slot + PERIOD_END) >>> 1] = identity.periodEnd
  f64[(slot + USED_AT) >>> 1] = now
  i32[slot + KIND] = identity.kind
  i32[slot + REPORTED] = 0
  i32[slot + LIFE] = ((i32[slot + LIFE] as number) + 1) | 0
  memory.setHigh(slot, 0)
  words.read(slot + VALUE)
  const { generation } = words
  for (;;) {
    words.read(slot + SECOND)
    if (words.swap(slot + SECOND, 0, generation)) break
  }
  Atomics.store(i32, slot + STATE, LIVE)
  return { slot, generation, life: i32[slot + LIFE] as number }
}
