const GENERATION_SHIFT = 21
const HIGH_MASK = 0x1fffff
const TWO_32 = 0x1_0000_0000
/** Generations count in 11 bits; what is above wraps around. */
export const GENERATION_MASK = 0x7ff
/** Largest value that a word holds. */
export const MAX_VALUE = Number.MAX_SAFE_INTEGER

/**
 * Words of 64 bits in shared memory: 11 bits of generation and 53 bits of value, changed by compare-and-swap. A swap
 * fails if anybody changed the word since it was read, and also if the slot has gone to another counter meanwhile.
 * Read in two halves, and turned into a BigInt for the swap only: reading BigInts would allocate three times as much.
 */
export class SharedWords {
  /** Of the word read last. */
  generation = 0
  value = 0
  readonly #halves: Int32Array
  readonly #words: BigInt64Array
  readonly #own = new ArrayBuffer(16)
  /** What was read (two halves), and what is to stand there (two halves). */
  readonly #ownHalves = new Int32Array(this.#own)
  readonly #ownWords = new BigInt64Array(this.#own)

  constructor(buffer: SharedArrayBuffer) {
    this.#halves = new Int32Array(buffer)
    this.#words = new BigInt64Array(buffer)
  }

  /** Reads the word whose lower half is at `at`, counted in halves; `at` is even. */
  read(at: number): void {
    for (;;) {
      const high = Atomics.load(this.#halves, at + 1)
      const low = Atomics.load(this.#halves, at)
      // A change in between that carries into the upper half: the two halves are of different words.
      if (Atomics.load(this.#halves, at + 1) !== high) continue
      this.#ownHalves[0] = low
      this.#ownHalves[1] = high
      this.generation = high >>> GENERATION_SHIFT
      this.value = (high & HIGH_MASK) * TWO_32 + (low >>> 0)
      return
    }
  }

  /** Puts a value where the word at `at` was read last; false if it is not as it was read. */
  swap(at: number, value: number, generation = this.generation): boolean {
    this.#ownHalves[2] = value | 0
    this.#ownHalves[3] = (generation << GENERATION_SHIFT) | (value / TWO_32)
    const seen = this.#ownWords[0] as bigint
    return Atomics.compareExchange(this.#words, at >>> 1, seen, this.#ownWords[1] as bigint) === seen
  }

  /** Adds to a word of this generation, kept within 0 and the largest value; false if it is of another. */
  add(at: number, generation: number, amount: number): boolean {
    for (;;) {
      this.read(at)
      if (this.generation !== generation) return false
      const value = Math.min(Math.max(this.value + amount, 0), MAX_VALUE)
      if (this.swap(at, value)) {
        this.value = value
        return true
      }
    }
  }
}
