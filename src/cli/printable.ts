/** What callers chose must not write to the terminal of whoever reads it; null is `-`. */
export function printable(text: string | null): string {
  return (text ?? '-').replace(/[^\P{C}]/gu, '\ufffd').slice(0, 200)
}
