import { hash, randomFillSync } from 'node:crypto'
import type { Clock } from '#core/clock.ts'

/**
 * - `fresh`: nobody has used it before, nor will again;
 * - `replayed`: it was used, or is being used by another at this moment;
 * - `full`: there is no room to remember it, so that it must not be taken;
 * - `ended`: it ended while it was being written down.
 */
export type Spent = 'fresh' | 'replayed' | 'full' | 'ended'

/** Remembers the ids of proofs that were used, for all workers. */
export interface ReplayMemory {
  /** When it was made, ms since the epoch: it knows of nothing before. */
  readonly since: number
  /** `id` of a proof by the key `thumbprint`, which is accepted until `endsAt`, ms since the epoch; the same for each use of it. */
  spend(thumbprint: string, id: string, endsAt: number): Spent
}

/** Longest time from now to the end of a proof that is remembered, s. */
const MAX_PROOF_LIFE_SECONDS = 1023

/** Places of a set. At half its capacity, one set in 4000 is full. */
const WAYS = 32
/** The memory is parted by keys, so that whoever uses up their part leaves the others to those of other keys. */
const PARTS = 8
const HEADER_BYTES = 64
const SETS = 0
const SINCE = 1
const SALT_AT = 16
const SALT_BYTES = 16

/**
 * Upper half of a slot: the highest bit says that it was ever used, 11 bits are of the fingerprint, 20 bits the second
 * of its end. Lower half: 32 bits of the fingerprint. Ends wrap around after 12 days, when what was left lying may
 * seem to be of now for a quarter of an hour: a place is lost for that long, nothing is admitted.
 */
const USED = 1 << 31
const TAG_SHIFT = 20
const TAG_BITS = 0x7ff
const END_BITS = 0xfffff

/** Memory of `slots` places at least, 8 bytes each; a power of two, 256 or more. */
export function createReplayMemory(slots: number, clock: Clock): SharedArrayBuffer {
  let sets = PARTS
  while (sets * WAYS < slots) sets *= 2
  const memory = new SharedArrayBuffer(HEADER_BYTES + sets * WAYS * 8)
  new Int32Array(memory)[SETS] = sets
  new Float64Array(memory)[SINCE] = clock()
  const salt = randomFillSync(new Uint8Array(SALT_BYTES))
  new Uint8Array(memory).set(salt, SALT_AT)
  return memory
}

export function openReplayMemory(memory: SharedArrayBuffer, clock: Clock): ReplayMemory {
  return new SharedReplayMemory(memory, clock)
}

/**
 * Of any number of threads that spend one proof, at most one is told `fresh`. Each (1) looks through the set for the
 * proof, (2) swaps it into a free slot, only if that is still as it was read, and (3) looks through the set again. Of two
 * that came to (3), their swaps went to two slots, and one was the earlier; the other looks through the set after
 * it, finds the earlier one’s and is refused. That one is still there: a slot is given to another only once its end has
 * passed, which is the same for both, and had not passed when the later one read the clock at last. Both may find each
 * other’s, and both be refused: that is safe, and rare, as two that read the same set choose the same slot.
 */
class SharedReplayMemory implements ReplayMemory {
  readonly since: number
  readonly #clock: Clock
  readonly #halves: Int32Array
  readonly #words: BigInt64Array
  readonly #setsOfPart: number
  /** Nobody can choose ids that meet in one set, or keys that meet in one part. */
  readonly #salt: string
  /** What was read of a slot (two halves), and what is to stand there (two halves). */
  readonly #ownHalves = new Int32Array(4)
  readonly #ownWords = new BigInt64Array(this.#ownHalves.buffer)

  constructor(memory: SharedArrayBuffer, clock: Clock) {
    this.#clock = clock
    this.#halves = new Int32Array(memory)
    this.#words = new BigInt64Array(memory)
    this.#setsOfPart = (this.#halves[SETS] as number) / PARTS
    this.since = new Float64Array(memory)[SINCE] as number
    this.#salt = Buffer.from(new Uint8Array(memory).slice(SALT_AT, SALT_AT + SALT_BYTES)).toString('hex')
  }

  spend(thumbprint: string, id: string, endsAt: number): Spent {
    const part = hash('sha256', this.#salt + thumbprint, 'buffer').readUInt8(0) % PARTS
    const digest = hash('sha256', `${this.#salt}${thumbprint}.${id}`, 'buffer')
    const set = part * this.#setsOfPart + (digest.readUInt32LE(0) % this.#setsOfPart)
    const low = digest.readInt32LE(4)
    const tag = USED | ((digest.readUInt16LE(8) & TAG_BITS) << TAG_SHIFT)
    const high = tag | (Math.ceil(endsAt / 1000) & END_BITS)
    const from = HEADER_BYTES / 4 + set * WAYS * 2
    // Each swap that fails is one that another made: there are no more of them than slots and racing threads.
    for (let attempt = 0; attempt < 4 * WAYS; attempt++) {
      const free = this.#look(from, tag, low, NOWHERE)
      if (free === FOUND) return 'replayed'
      if (free === NOWHERE) return 'full'
      if (!this.#write(free, high, low)) continue
      if (this.#look(from, tag, low, free) === FOUND) return 'replayed'
      return this.#clock() < endsAt ? 'fresh' : 'ended'
    }
    return 'full'
  }

  /** Looks through a set, but for one slot: `FOUND`, else where the first free slot is, or `NOWHERE`. */
  #look(from: number, tag: number, low: number, except: number): number {
    const now = this.#clock()
    let free = NOWHERE
    for (let at = from; at < from + WAYS * 2; at += 2) {
      if (at === except) continue
      const high = Atomics.load(this.#halves, at + 1)
      if (!isTaken(high, now)) {
        if (free === NOWHERE) free = at
        // A slot that is taken keeps its two halves until its end.
      } else if ((high & ~END_BITS) === tag && Atomics.load(this.#halves, at) === low) return FOUND
    }
    return free
  }

  /** False if the slot has been taken meanwhile. */
  #write(at: number, high: number, low: number): boolean {
    const seen = Atomics.load(this.#words, at >>> 1)
    this.#ownWords[0] = seen
    // The clock is read after the slot: a thread may have been stopped for any time since it looked.
    if (isTaken(this.#ownHalves[1] as number, this.#clock())) return false
    this.#ownHalves[2] = low
    this.#ownHalves[3] = high
    return Atomics.compareExchange(this.#words, at >>> 1, seen, this.#ownWords[1] as bigint) === seen
  }
}

const FOUND = -1
const NOWHERE = -2

function isTaken(high: number, now: number): boolean {
  return high < 0 && ((high - Math.floor(now / 1000) - 1) & END_BITS) < MAX_PROOF_LIFE_SECONDS
}
