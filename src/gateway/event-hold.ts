const LF = 0x0a
const CR = 0x0d

/** Longest unfinished event that is held back, in bytes. */
const MAX_HELD = 64 * 1024

/**
 * Cuts a stream of server-sent events at event boundaries, so that a broken provider's last, partial event never
 * reaches the caller and an error event can follow. A chunk that ends with an event passes untouched; an event longer
 * than the bound passes in pieces.
 */
export class EventHold {
  #held: Buffer | null = null
  /** Part of an event is out already: nothing but its rest can follow. */
  midEvent = false

  /** What may be sent now; null = nothing yet. */
  push(chunk: Buffer): Buffer | null {
    if (chunk.length === 0) return null
    const bytes = this.#held === null ? chunk : Buffer.concat([this.#held, chunk])
    const end = endOfLastEvent(bytes)
    if (end === bytes.length) {
      this.#held = null
      this.midEvent = false
      return bytes
    }
    if (bytes.length - end > MAX_HELD) {
      this.#held = null
      this.midEvent = true
      return bytes
    }
    this.#held = bytes.subarray(end)
    if (end === 0) return null
    this.midEvent = false
    return bytes.subarray(0, end)
  }

  /** What was held when the stream ended as it should. */
  rest(): Buffer | null {
    return this.#held
  }
}

/** Index after the last blank line: events end with one (LF or CRLF; HTML Living Standard §9.2.5). */
function endOfLastEvent(bytes: Buffer): number {
  for (let at = bytes.lastIndexOf(LF); at > 0; at = bytes.lastIndexOf(LF, at - 1)) {
    const before = bytes[at - 1]
    if (before === LF || (before === CR && bytes[at - 2] === LF)) return at + 1
  }
  return 0
}
