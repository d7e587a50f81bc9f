/** Beginnings of a cell that a spreadsheet takes for a formula, also in full width; and what it drops before it looks. */
const FORMULA = /^[\s"']*[=+\-@\uff1d\uff0b\uff0d\uff20]|^[\t\r\n]/

/**
 * One line of CSV (RFC 4180). Names of models are what callers make them: a text that a spreadsheet would run is written
 * with an apostrophe before it, and shown as it is.
 */
export function csvLine(cells: readonly (string | number)[]): string {
  return `${cells.map(cell => (typeof cell === 'number' ? cell : csvText(cell))).join(',')}\r\n`
}

function csvText(text: string): string {
  const inert = FORMULA.test(text) ? `'${text}` : text
  return /[",\r\n]/.test(inert) ? `"${inert.replaceAll('"', '""')}"` : inert
}
