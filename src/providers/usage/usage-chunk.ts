const CHOICES = Buffer.from('"choices"')
const LF = 0x0a
const CR = 0x0d

/**
 * Whole server-sent events of an OpenAI chat stream, without the extra chunk that tells the use (`choices` empty, `usage`
 * an object). Everything else stays as it is, the `usage: null` that OpenAI adds to each other chunk included.
 */
export function withoutUsageChunk(events: Buffer): Buffer {
  let rest = events
  for (let at = rest.indexOf(CHOICES); at !== -1; at = rest.indexOf(CHOICES, at)) {
    at += CHOICES.length
    if (!isEmptyList(rest, at)) continue
    const start = startOfEvent(rest, at)
    const end = endOfEvent(rest, at)
    if (!isUsageChunk(rest.toString('utf8', start, end))) continue
    rest = Buffer.concat([rest.subarray(0, start), rest.subarray(end)])
    at = start
  }
  return rest
}

/** Whether `: []` stands there. */
function isEmptyList(bytes: Buffer, from: number): boolean {
  let at = from
  for (const sign of [0x3a, 0x5b, 0x5d]) {
    while (bytes[at] === 0x20) at++
    if (bytes[at++] !== sign) return false
  }
  return true
}

function isUsageChunk(event: string): boolean {
  const data = event
    .split(/\r?\n/)
    .filter(line => line.startsWith('data:'))
    .map(line => line.slice(5))
  try {
    const { choices, usage } = JSON.parse(data.join('\n'))
    return Array.isArray(choices) && choices.length === 0 && typeof usage === 'object' && usage !== null
  } catch {
    return false
  }
}

/** Index after the blank line before. */
function startOfEvent(bytes: Buffer, from: number): number {
  for (let at = bytes.lastIndexOf(LF, from); at > 0; at = bytes.lastIndexOf(LF, at - 1)) {
    if (endsBlankLine(bytes, at)) return at + 1
  }
  return 0
}

/** Index after the next blank line. */
function endOfEvent(bytes: Buffer, from: number): number {
  for (let at = bytes.indexOf(LF, from); at !== -1; at = bytes.indexOf(LF, at + 1)) {
    if (endsBlankLine(bytes, at)) return at + 1
  }
  return bytes.length
}

function endsBlankLine(bytes: Buffer, at: number): boolean {
  const before = bytes[at - 1]
  return before === LF || (before === CR && bytes[at - 2] === LF)
}
