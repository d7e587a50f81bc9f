const PLAIN = /^[A-Za-z0-9\-._~:/@]*$/
const encoder = new TextEncoder()

/**
 * A text as a header can carry it, so that no two texts look alike and none can end its header: percent-encoded UTF-8
 * (RFC 3986 §2.1) but for letters, digits and `-._~:/@`. `decodeURIComponent` gives it back.
 */
export function encodeHeaderValue(text: string): string {
  if (PLAIN.test(text)) return text
  let value = ''
  for (const character of text) value += PLAIN.test(character) ? character : escapeCharacter(character)
  return value
}

/** Each member encoded, a comma between them, which no encoded member contains. */
export function encodeHeaderList(members: readonly string[]): string {
  return members.map(encodeHeaderValue).join(',')
}

function escapeCharacter(character: string): string {
  let escaped = ''
  for (const byte of bytesOf(character)) escaped += `%${byte.toString(16).toUpperCase().padStart(2, '0')}`
  return escaped
}

/** Half of a surrogate pair is no character. UTF-8 would replace it, and with it every other: its own three bytes are no other text’s. */
function bytesOf(character: string): Iterable<number> {
  const code = character.charCodeAt(0)
  const isHalf = character.length === 1 && code >= 0xd800 && code <= 0xdfff
  return isHalf ? [0xe0 | (code >> 12), 0x80 | ((code >> 6) & 0x3f), 0x80 | (code & 0x3f)] : encoder.encode(character)
}
