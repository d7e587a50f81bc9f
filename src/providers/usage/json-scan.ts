const QUOTE = 0x22
const BACKSLASH = 0x5c
const COLON = 0x3a
const COMMA = 0x2c
const OPEN_BRACE = 0x7b
const CLOSE_BRACE = 0x7d
const OPEN_BRACKET = 0x5b
const CLOSE_BRACKET = 0x5d
const D = 0x44

/** Bytes of a string that are looked at one by one before the native search, whose call costs as much as these. */
const STRIDE = 64

/** Longest report of use that is kept, in bytes; a longer one is as if it were not there. */
const MAX_REPORT = 64 * 1024

/** What to look for in JSON texts. Each name stands in one of the lists only. */
export interface ScanPlan {
  /** Objects that are kept: a member of the text's top object, or of one of its members (`outer`). */
  readonly reports: readonly { readonly outer: string | null; readonly name: string }[]
  /** String members, at any depth, of text that the model wrote. */
  readonly text: readonly string[]
  /** The same, of its reasoning. */
  readonly reasoning: readonly string[]
  /** Object members, at any depth, that the model wrote. */
  readonly objects: readonly string[]
  /** A string member, at any depth, that each call of a tool has once. */
  readonly call: string | null
  /** A string member that says that nothing more is to be told, at this depth and with one of these values; null = any. */
  readonly last: { readonly name: string; readonly depth: number; readonly values: readonly string[] | null } | null
  /** A member whose value is a long list of numbers, to be stepped over. */
  readonly numbers: string | null
}

interface Word {
  readonly bytes: Buffer
  readonly text: boolean
  readonly reasoning: boolean
  readonly objects: boolean
  readonly call: boolean
  readonly numbers: boolean
  /** It is the member `last`, or one of its values. */
  readonly last: boolean
  readonly lastValue: boolean
  /** Index of the report it names at the top; -1 = none. */
  readonly report: number
  /** Index of the report within it, by name; null = none. */
  readonly inner: ReadonlyMap<Word, number> | null
}

/** A plan, compiled: its words by their length. */
export class ScanWords {
  readonly reports: number
  readonly last: ScanPlan['last']
  readonly longest: number
  readonly #byLength: (readonly Word[])[] = []

  constructor(plan: ScanPlan) {
    this.reports = plan.reports.length
    this.last = plan.last
    const values = plan.last?.values ?? []
    const names = new Set([
      ...plan.reports.flatMap(({ outer, name }) => (outer === null ? [name] : [outer, name])),
      ...plan.text,
      ...plan.reasoning,
      ...plan.objects,
      ...values,
      ...(plan.last === null ? [] : [plan.last.name]),
      ...(plan.numbers === null ? [] : [plan.numbers]),
      ...(plan.call === null ? [] : [plan.call]),
    ])
    const inner = new Map<string, Map<Word, number>>()
    for (const { outer } of plan.reports) if (outer !== null) inner.set(outer, new Map())
    const words = new Map<string, Word>()
    for (const name of names) {
      words.set(name, {
        bytes: Buffer.from(name),
        text: plan.text.includes(name),
        reasoning: plan.reasoning.includes(name),
        objects: plan.objects.includes(name),
        call: plan.call === name,
        numbers: plan.numbers === name,
        last: plan.last?.name === name,
        lastValue: values.includes(name),
        report: plan.reports.findIndex(report => report.outer === null && report.name === name),
        inner: inner.get(name) ?? null,
      })
    }
    for (const [index, { outer, name }] of plan.reports.entries()) {
      if (outer !== null) inner.get(outer)?.set(words.get(name) as Word, index)
    }
    this.longest = Math.max(...[...names].map(name => name.length))
    for (let length = 0; length <= this.longest; length++) {
      this.#byLength.push([...words.values()].filter(word => word.bytes.length === length))
    }
  }

  /** The word that stands there; null = none. */
  find(bytes: Uint8Array, from: number, to: number): Word | null {
    const length = to - from
    if (length > this.longest) return null
    search: for (const word of this.#byLength[length] as readonly Word[]) {
      for (let i = 0; i < length; i++) if (bytes[from + i] !== word.bytes[i]) continue search
      return word
    }
    return null
  }
}

/**
 * Goes over JSON texts as they pass, cut anywhere, without parsing or holding them: finds the few members of a plan, keeps
 * the last of each report, and counts what the model wrote. Trusts nothing but quotes and brackets, so that junk leads to
 * wrong counts at worst. Memory: one name and one report.
 */
export class JsonScan {
  readonly #words: ScanWords
  /** The last of each report, as text; null = none yet. Parsed by whoever wants it. */
  readonly reports: (string | null)[]
  /** Bytes of what the model wrote, reasoning included, escapes counted once. */
  textBytes = 0
  reasoningBytes = 0
  /** Strings it came in. */
  pieces = 0
  /** Calls of tools. */
  calls = 0
  /** The text has a report. */
  reported = false
  /** The text said that nothing more is to be told. */
  last = false
  /** The bare word of OpenAI's last event, `[DONE]`. */
  done = false

  #depth = 0
  /** Depth of the top object: 1 within a list of them. */
  #base = 0
  #inString = false
  #escaped = false
  /** A colon stands before. */
  #isValue = false
  /** The last string; the name before the colon; the member of the top object that this is in. */
  #string: Word | null = null
  #name: Word | null = null
  #outer: Word | null = null
  /** What the string under way counts as. */
  #counts: 'nothing' | 'text' | 'reasoning' = 'nothing'
  #hasText = false
  /** Beginning of a name or value that came in an earlier piece. */
  readonly #begun: Buffer
  #begunLength = 0
  #wantsWord = false
  #inNumbers = false
  /** Depth at which an object of the model's is open; 0 = none. */
  #objectDepth = 0
  /** The report under way: which, its depth, what came in earlier pieces. */
  #report = -1
  #reportDepth = 0
  #reportHeld: Buffer[] = []
  #reportLength = 0

  constructor(words: ScanWords) {
    this.#words = words
    this.reports = new Array(words.reports).fill(null)
    this.#begun = Buffer.alloc(words.longest)
  }

  /** The next text begins. */
  reset(): void {
    this.#depth = 0
    this.#base = 0
    this.#inString = false
    this.#escaped = false
    this.#isValue = false
    this.#string = null
    this.#name = null
    this.#outer = null
    this.#inNumbers = false
    this.#objectDepth = 0
    this.#report = -1
    this.#reportHeld = []
    this.reported = false
    this.last = false
    this.done = false
  }

  push(bytes: Buffer, from: number, to: number): void {
    let reportFrom = from
    let objectFrom = from
    let at = from
    while (at < to) {
      if (this.#inString) {
        at = this.#walkString(bytes, at, to)
        continue
      }
      if (this.#inNumbers) {
        const end = bytes.indexOf(CLOSE_BRACKET, at)
        if (end === -1 || end >= to) break
        this.#inNumbers = false
        at = end
      }
      const byte = bytes[at++]
      if (byte === QUOTE) this.#openString()
      else if (byte === COLON) this.#nameValue()
      else if (byte === COMMA) this.#isValue = false
      else if (byte === OPEN_BRACE) {
        if (this.#isValue && this.#report === -1 && this.#opensReport()) reportFrom = at - 1
        if (this.#isValue && this.#objectDepth === 0 && this.#name?.objects) {
          this.#objectDepth = this.#depth + 1
          objectFrom = at
        }
        if (this.#depth === 0) this.#base = 0
        this.#depth++
        this.#isValue = false
      } else if (byte === CLOSE_BRACE || byte === CLOSE_BRACKET) {
        if (this.#depth === this.#objectDepth && byte === CLOSE_BRACE) this.#closeObject(at - 1 - objectFrom)
        if (this.#report !== -1 && this.#depth === this.#reportDepth) this.#closeReport(bytes, reportFrom, at)
        if (this.#depth > 0) this.#depth--
        this.#isValue = false
      } else if (byte === OPEN_BRACKET) {
        if (this.#depth === 0) this.#base = 1
        this.#inNumbers = this.#isValue && this.#name?.numbers === true
        this.#depth++
        this.#isValue = false
      } else if (byte === D && this.#depth === 1 && this.#base === 1) this.done = true
    }
    if (this.#report !== -1) this.#holdReport(bytes, reportFrom, to)
    if (this.#objectDepth > 0) this.textBytes += to - objectFrom
  }

  /** What came is one object and no list of them. */
  get isObject(): boolean {
    return this.#base === 0
  }

  /** Depth within the top object: 1 = its members. */
  get depth(): number {
    return this.#depth - this.#base
  }

  #openString(): void {
    const { last } = this.#words
    this.#inString = true
    this.#hasText = false
    this.#begunLength = 0
    this.#counts = 'nothing'
    this.#wantsWord = !this.#isValue
    if (!this.#isValue || this.#name === null) return
    if (this.#name.text || this.#name.call) this.#counts = 'text'
    else if (this.#name.reasoning) this.#counts = 'reasoning'
    else this.#wantsWord = this.#name.last && this.depth === last?.depth
  }

  /** Goes to the string's end, or as far as there are bytes; returns where. */
  #walkString(bytes: Buffer, from: number, to: number): number {
    const counted = this.#counts !== 'nothing'
    let at = this.#escaped ? from + 1 : from
    let escapes = 0
    this.#escaped = false
    while (at < to) {
      // What is counted is walked to its end: the count must not depend on where the bytes were cut.
      const walked = counted ? to : Math.min(at + STRIDE, to)
      while (at < walked) {
        const byte = bytes[at]
        if (byte === QUOTE) {
          if (counted) this.#count(at - from - escapes)
          this.#closeString(bytes, from, at)
          return at + 1
        }
        if (byte === BACKSLASH) {
          escapes++
          at += 2
        } else at++
      }
      if (at < to) at = afterEscapes(bytes, at, to)
    }
    this.#escaped = at > to
    if (counted) this.#count(to - from - escapes)
    if (this.#wantsWord) this.#begin(bytes, from, to)
    return to
  }

  #count(length: number): void {
    this.#hasText ||= length > 0
    if (this.#objectDepth > 0) return
    this.textBytes += length
    if (this.#counts === 'reasoning') this.reasoningBytes += length
  }

  /** Keeps the beginning of what may be a word until its rest comes. */
  #begin(bytes: Buffer, from: number, to: number): void {
    if (this.#begunLength + to - from > this.#begun.length) {
      this.#wantsWord = false
      return
    }
    bytes.copy(this.#begun, this.#begunLength, from, to)
    this.#begunLength += to - from
  }

  #closeString(bytes: Buffer, from: number, end: number): void {
    this.#inString = false
    if (this.#hasText && this.#objectDepth === 0) {
      this.pieces++
      if (this.#name?.call) this.calls++
    }
    let found: Word | null = null
    if (this.#begunLength > 0) {
      this.#begin(bytes, from, end)
      if (this.#wantsWord) found = this.#words.find(this.#begun, 0, this.#begunLength)
    } else if (this.#wantsWord) found = this.#words.find(bytes, from, end)
    if (!this.#isValue) this.#string = found
    else if (this.#wantsWord && (this.#words.last?.values === null || found?.lastValue)) this.last = true
  }

  #nameValue(): void {
    this.#isValue = true
    this.#name = this.#string
    this.#string = null
    if (this.depth === 1) this.#outer = this.#name
  }

  #opensReport(): boolean {
    const name = this.#name
    if (name === null) return false
    const { depth } = this
    const index = depth === 1 ? name.report : depth === 2 ? (this.#outer?.inner?.get(name) ?? -1) : -1
    if (index === -1) return false
    this.#report = index
    this.#reportDepth = this.#depth + 1
    this.#reportHeld = []
    this.#reportLength = 0
    return true
  }

  #holdReport(bytes: Buffer, from: number, to: number): void {
    this.#reportLength += to - from
    if (this.#reportLength > MAX_REPORT) this.#report = -1
    // A copy: the piece itself may be large, and is not ours to keep.
    else this.#reportHeld.push(Buffer.from(bytes.subarray(from, to)))
  }

  #closeReport(bytes: Buffer, from: number, to: number): void {
    const rest = bytes.toString('latin1', from, to)
    const text = this.#reportHeld.length === 0 ? rest : Buffer.concat(this.#reportHeld).toString('latin1') + rest
    // Some providers repeat the member without counts in it.
    if (text.length <= MAX_REPORT && text.includes('oken')) {
      this.reports[this.#report] = text
      this.reported = true
    }
    this.#report = -1
    this.#reportHeld = []
  }

  #closeObject(length: number): void {
    this.textBytes += length
    this.pieces++
    this.#objectDepth = 0
  }
}

/** Index of the next quote, or after it where it is escaped; `to` where there is none, `to + 1` if what stands there is escaped. */
function afterEscapes(bytes: Buffer, at: number, to: number): number {
  const found = bytes.indexOf(QUOTE, at)
  const quote = found === -1 || found > to ? to : found
  // An odd number of backslashes before it.
  let run = quote
  while (run > at && bytes[run - 1] === BACKSLASH) run--
  return (quote - run) % 2 === 1 ? quote + 1 : quote
}
