import { networkOf } from '#core/network.ts'

/**
 * Open connections by network, for all workers in one piece of shared memory: a set-associative table of fixed size.
 * A network (IPv4 address or IPv6 /64) has a slot, and each worker its own column in it, so that the share of one that
 * died can be dropped. A slot whose connections have all ended may be taken by another network.
 */
export interface ConnectionTable {
  /** Counts one more; answers the slot it is counted in, for `leave`, or which cap it is beyond. */
  enter(address: string): number | 'connections' | 'rate'
  leave(slot: number): void
}

interface TableOptions {
  /** From `createConnectionMemory`. */
  readonly memory: SharedArrayBuffer
  /** Number of this worker, from 1. */
  readonly worker: number
  /** Of one network, over all workers: connections at once, and opened within one second of the clock. */
  readonly maxConnections: number
  readonly maxNewPerSecond: number
  /** Wall clock, ms: all threads must agree. */
  readonly clock: () => number
}

const SLOTS_PER_SET = 16
const MAX_SLOTS = 65_536

/** Words of the memory's head. */
const WORKERS = 0
const SETS = 1
const SALT = 2
const HEAD_WORDS = 4

/** Words of a slot, before one count for each worker. */
const KEY_HIGH = 0
const KEY_LOW = 1
/** Second of the clock in which connections were last opened; 0 = the slot was never used. */
const SECOND = 2
const OPENED = 3
const COUNTS = 4

/** A slot of nothing: the connection is counted nowhere, because there is no room. */
const UNCOUNTED = -1

/** Room for twice as many networks as there may be connections, up to 65,536 of them. */
export function createConnectionMemory(workers: number, connections: number, salt: number): SharedArrayBuffer {
  let sets = 1
  while (sets * SLOTS_PER_SET < Math.min(2 * connections, MAX_SLOTS)) sets *= 2
  const words = HEAD_WORDS + sets * setWords(workers)
  const memory = new SharedArrayBuffer(words * Int32Array.BYTES_PER_ELEMENT)
  new Int32Array(memory).set([workers, sets, salt | 0])
  return memory
}

/** Drops the share of a worker that has died, and whatever lock it died with. */
export function forgetConnections(memory: SharedArrayBuffer, worker: number): void {
  const words = new Int32Array(memory)
  const workers = words[WORKERS] as number
  for (let set = HEAD_WORDS; set < words.length; set += setWords(workers)) {
    for (let i = 0; i < SLOTS_PER_SET; i++) {
      Atomics.store(words, set + 1 + i * slotWords(workers) + COUNTS + worker - 1, 0)
    }
    if (Atomics.compareExchange(words, set, worker, 0) === worker) Atomics.notify(words, set)
  }
}

export function openConnectionTable(options: TableOptions): ConnectionTable {
  return new SharedTable(options)
}

/** Each set begins with its lock: the worker that holds it, or 0. */
function setWords(workers: number): number {
  return 1 + SLOTS_PER_SET * slotWords(workers)
}

function slotWords(workers: number): number {
  return COUNTS + workers
}

class SharedTable implements ConnectionTable {
  readonly #options: TableOptions
  readonly #words: Int32Array
  readonly #workers: number

  constructor(options: TableOptions) {
    this.#options = options
    this.#words = new Int32Array(options.memory)
    this.#workers = this.#words[WORKERS] as number
  }

  enter(address: string): number | 'connections' | 'rate' {
    const [high, low] = keyOf(address)
    const sets = this.#words[SETS] as number
    const set = HEAD_WORDS + (mix(high, low, this.#words[SALT] as number) & (sets - 1)) * setWords(this.#workers)
    if (!this.#lock(set)) return UNCOUNTED
    try {
      const slot = this.#find(set, high, low)
      return slot === UNCOUNTED ? UNCOUNTED : this.#count(slot)
    } finally {
      Atomics.store(this.#words, set, 0)
      Atomics.notify(this.#words, set, 1)
    }
  }

  /** Needs no lock: the slot is this network's as long as one of its connections is open. */
  leave(slot: number): void {
    if (slot !== UNCOUNTED) Atomics.sub(this.#words, slot + COUNTS + this.#options.worker - 1, 1)
  }

  #count(slot: number): number | 'connections' | 'rate' {
    const words = this.#words
    const { worker, maxConnections, maxNewPerSecond, clock } = this.#options
    const second = Math.floor(clock() / 1000) | 0
    if (words[slot + SECOND] !== second) {
      words[slot + SECOND] = second
      words[slot + OPENED] = 0
    }
    if ((words[slot + OPENED] as number) >= maxNewPerSecond) return 'rate'
    words[slot + OPENED] = (words[slot + OPENED] as number) + 1
    if (this.#connections(slot) >= maxConnections) return 'connections'
    Atomics.add(words, slot + COUNTS + worker - 1, 1)
    return slot
  }

  #connections(slot: number): number {
    let sum = 0
    for (let i = 0; i < this.#workers; i++) sum += Atomics.load(this.#words, slot + COUNTS + i)
    return sum
  }

  /** The network's slot, else one that was never used, else the one longest without a connection. */
  #find(set: number, high: number, low: number): number {
    const words = this.#words
    let free = UNCOUNTED
    for (let i = 0; i < SLOTS_PER_SET; i++) {
      const slot = set + 1 + i * slotWords(this.#workers)
      const second = words[slot + SECOND] as number
      if (second !== 0 && words[slot + KEY_HIGH] === high && words[slot + KEY_LOW] === low) return slot
      const older = free === UNCOUNTED || second < (words[free + SECOND] as number)
      if (older && (second === 0 || this.#connections(slot) === 0)) free = slot
    }
    if (free !== UNCOUNTED) {
      words[free + KEY_HIGH] = high
      words[free + KEY_LOW] = low
      words[free + SECOND] = 1
      words[free + OPENED] = 0
    }
    return free
  }

  /** False where another holds it for 20 ms: it has died, and its lock is about to be released. */
  #lock(set: number): boolean {
    for (let attempt = 0; attempt < 20; attempt++) {
      for (let spin = 0; spin < 100; spin++) {
        if (Atomics.compareExchange(this.#words, set, 0, this.#options.worker) === 0) return true
      }
      Atomics.wait(this.#words, set, Atomics.load(this.#words, set) || UNCOUNTED, 1)
    }
    return false
  }
}

/** 64 bits that no two networks share: those of an IPv6 /64, or below a prefix of multicast, from which nobody speaks, IPv4. */
function keyOf(address: string): readonly [high: number, low: number] {
  const network = networkOf(address)
  if (!network.includes(':')) return [-1, network.split('.').reduce((bits, part) => (bits << 8) | Number(part), 0)]
  const [a = 0, b = 0, c = 0, d = 0] = network.split(':').map(group => Number.parseInt(group, 16))
  return [(a << 16) | b, (c << 16) | d]
}

/** Salted, so that nobody can choose addresses that meet in one set. */
function mix(high: number, low: number, salt: number): number {
  let bits = Math.imul(high ^ salt, 0x85ebca6b)
  bits = Math.imul(bits ^ (bits >>> 15) ^ low, 0xc2b2ae35)
  bits = Math.imul(bits ^ (bits >>> 13) ^ salt, 0x27d4eb2f)
  return bits ^ (bits >>> 16)
}
