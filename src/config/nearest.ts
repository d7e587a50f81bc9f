/** The candidate that differs least from the name, if it is near enough to be what was meant. */
function findNearest(name: string, candidates: Iterable<string>): string | undefined {
  let nearest: string | undefined
  let least = Math.min(4, Math.ceil(name.length / 3)) + 1
  for (const candidate of candidates) {
    if (Math.abs(candidate.length - name.length) >= least) continue
    const distance = measure(name.toLowerCase(), candidate.toLowerCase())
    if (distance < least) {
      nearest = candidate
      least = distance
    }
  }
  return nearest
}

/** `; did you mean "port"?`, or nothing. */
export function suggest(name: string, candidates: Iterable<string>): string {
  const nearest = findNearest(name, candidates)
  return nearest === undefined ? '' : `; did you mean "${nearest}"?`
}

/** Optimal string alignment: insertions, deletions, substitutions and swaps of neighbours cost one each. */
function measure(a: string, b: string): number {
  let before: number[] = []
  let above = Array.from({ length: b.length + 1 }, (_, j) => j)
  for (let i = 1; i <= a.length; i++) {
    const row = [i]
    for (let j = 1; j <= b.length; j++) {
      const cost = a[i - 1] === b[j - 1] ? 0 : 1
      let best = Math.min(at(above, j) + 1, at(row, j - 1) + 1, at(above, j - 1) + cost)
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) best = Math.min(best, at(before, j - 2) + 1)
      row.push(best)
    }
    before = above
    above = row
  }
  return at(above, b.length)
}

function at(row: readonly number[], index: number): number {
  return row[index] ?? Number.POSITIVE_INFINITY
}
