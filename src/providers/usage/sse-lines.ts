const LF = 0x0a
const CR = 0x0d
const FIELD = Buffer.from('data:')

/** Who hears what a stream of server-sent events carries. */
export interface SseSink {
  /** A piece of an event's data, in place; white space may be around it. */
  onData(bytes: Buffer, from: number, to: number): void
  /** A blank line: the event is whole. */
  onEvent(): void
}

/**
 * Finds the data in a stream of server-sent events (HTML Living Standard §9.2.6; lines end in LF or CRLF), cut anywhere.
 * Holds no bytes: what it knows between two pieces is how far it is in the name of a line.
 */
export class SseLines {
  readonly #sink: SseSink
  /** Bytes of `data:` that the line begins with so far. */
  #matched = 0
  #inName = true
  #isData = false

  constructor(sink: SseSink) {
    this.#sink = sink
  }

  push(bytes: Buffer): void {
    const { length } = bytes
    let at = 0
    while (at < length) {
      if (this.#inName) {
        at = this.#readName(bytes, at)
        continue
      }
      const end = bytes.indexOf(LF, at)
      if (this.#isData) this.#sink.onData(bytes, at, end === -1 ? length : end)
      if (end === -1) return
      at = end + 1
      this.#inName = true
      this.#matched = 0
    }
  }

  /** One byte of a line's name; returns where to go on. */
  #readName(bytes: Buffer, at: number): number {
    const byte = bytes[at]
    if (this.#matched === 0) {
      if (byte === CR) return at + 1
      if (byte === LF) {
        this.#sink.onEvent()
        return at + 1
      }
    }
    if (byte !== FIELD[this.#matched]) {
      this.#inName = false
      this.#isData = false
      return at
    }
    if (++this.#matched === FIELD.length) {
      this.#inName = false
      this.#isData = true
    }
    return at + 1
  }
}
