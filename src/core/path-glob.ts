/** A segment of a path; null = any number of any segments, where a pattern is held against another. */
export type Segment = string | null

/**
 * A path or pattern as the loosest server would compare it: without regard to case, compatibility forms (Unicode Standard
 * Annex #15) and code points that nobody sees. Upper case last: unlike lower case it depends on no neighbour.
 */
export function foldPath(path: string): string {
  if (ASCII.test(path)) return path.toUpperCase()
  const folded = path.normalize('NFKC').replaceAll(UNSEEN, '').toLowerCase().toUpperCase()
  // What a dotted capital I comes to: some compare it as `i`.
  return folded.replaceAll('I\u0307', 'I').normalize('NFKC')
}

const ASCII = /^[\x20-\x7e]*$/
const UNSEEN = /\p{Default_Ignorable_Code_Point}/gu

/** Segments of a canonical path; a slash at its end makes no difference. */
export function segmentsOf(path: string): string[] {
  const segments = path.split('/').slice(1)
  if (segments.at(-1) === '') segments.pop()
  return segments
}

/** The same of a pattern, to be held against another. */
export function segmentsOfGlob(glob: string): Segment[] {
  return segmentsOf(glob).map(segment => (segment === '**' ? null : segment))
}

/**
 * Whether a path fits a pattern: `*` stands for any characters of one segment, also none, the segment `**` for any number
 * of segments. Its time is bounded by the lengths of path and pattern multiplied.
 */
export function compilePathGlob(glob: string): (segments: readonly Segment[]) => boolean {
  const globs = segmentsOf(glob).map(segment => (segment === '**' ? null : segment.split('*')))
  return segments => {
    let at = 0
    let glob = 0
    // Where to go on if what follows the last `**` does not fit: it takes one segment more.
    let star = -1
    let taken = 0
    while (at < segments.length) {
      const pieces = globs[glob]
      if (pieces === null) {
        star = glob++
        taken = at
      } else if (pieces !== undefined && fits(segments[at] as Segment, pieces)) {
        at++
        glob++
      } else if (star !== -1) {
        at = ++taken
        glob = star + 1
      } else return false
    }
    return globs.slice(glob).every(pieces => pieces === null)
  }
}

function fits(segment: Segment, pieces: readonly string[]): boolean {
  if (segment === null) return false
  const [first = '', last = ''] = [pieces[0], pieces.at(-1)]
  if (pieces.length === 1) return segment === first
  if (segment.length < first.length + last.length || !segment.startsWith(first) || !segment.endsWith(last)) return false
  const end = segment.length - last.length
  let at = first.length
  for (const piece of pieces.slice(1, -1)) {
    const found = segment.indexOf(piece, at)
    if (found === -1) return false
    at = found + piece.length
  }
  return at <= end
}
