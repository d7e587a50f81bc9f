const WORD = 0
const SPACE = 1
const SIGN = 2

/** Kind of each ASCII character. */
const kinds = Uint8Array.from({ length: 128 }, (_, code) => {
  if (code <= 0x20) return SPACE
  return /[A-Za-z0-9]/.test(String.fromCharCode(code)) ? WORD : SIGN
})

/** The longest run that is one token: letters and digits, white space, other signs. */
const LONGEST = [6, 8, 3] as const

/**
 * How many tokens a text has. The sandbox's one rule, for input, output and limits alike: a token is a run of at most
 * six letters or digits (every character beyond ASCII is taken for one) together with the one space before it,
 * a run of at most eight other white space, or a run of at most three other signs. Tokens cover the text without gaps.
 */
export function countTokens(text: string): number {
  let count = 0
  for (let at = 0; at < text.length; count++) at = tokenEnd(text, at)
  return count
}

/** The longest beginning of the text that has at most `max` tokens. */
export function cutTokens(text: string, max: number): { text: string; tokens: number; cut: boolean } {
  let tokens = 0
  let at = 0
  for (; at < text.length && tokens < max; tokens++) at = tokenEnd(text, at)
  return { text: text.slice(0, at), tokens, cut: at < text.length }
}

/** The text in at most `count` pieces, each of whole tokens and of the same number give or take one. */
export function splitTokens(text: string, count: number): string[] {
  const tokens = countTokens(text)
  const pieces: string[] = []
  let from = 0
  let at = 0
  for (let token = 1; token <= tokens; token++) {
    at = tokenEnd(text, at)
    if (Math.floor((token * count) / tokens) === Math.floor(((token - 1) * count) / tokens)) continue
    pieces.push(text.slice(from, at))
    from = at
  }
  return pieces
}

/** Where the token that begins at `from` ends. */
function tokenEnd(text: string, from: number): number {
  let at = from
  if (text.charCodeAt(at) === 0x20 && at + 1 < text.length && kindAt(text, at + 1) === WORD) at += 1
  const kind = kindAt(text, at)
  const limit = Math.min(text.length, at + (LONGEST[kind] as number))
  at += 1
  while (at < limit && kindAt(text, at) === kind) at += 1
  // A pair of surrogates is one character; cut between them, neither half is.
  return isHighSurrogate(text, at - 1) && isLowSurrogate(text, at) ? at + 1 : at
}

function kindAt(text: string, at: number): number {
  return kinds[text.charCodeAt(at)] ?? WORD
}

function isHighSurrogate(text: string, at: number): boolean {
  return (text.charCodeAt(at) & 0xfc00) === 0xd800
}

function isLowSurrogate(text: string, at: number): boolean {
  return (text.charCodeAt(at) & 0xfc00) === 0xdc00
}
