import type { Io } from './command.ts'

const WIDTH = 30
const EVERY_MS = 100

/** On a terminal, a line that says how far long work is. Elsewhere nothing. */
export function progressBar(output: Io['stderr'], unit: string) {
  let shownAt = Number.NEGATIVE_INFINITY
  const started = performance.now()
  return {
    show(done: number, total: number): void {
      const now = performance.now()
      if (!output.isTTY || now - shownAt < EVERY_MS) return
      shownAt = now
      const part = total === 0 ? 1 : Math.min(done / total, 1)
      const bar = '█'.repeat(Math.round(part * WIDTH)).padEnd(WIDTH, '░')
      const rate = Math.round(done / Math.max((now - started) / 1000, 0.001))
      output.write(`\r${bar} ${Math.floor(part * 100)} %  ${done}/${total} ${unit}, ${rate}/s\u001b[K`)
    },
    /** Takes the line away. */
    end(): void {
      if (output.isTTY && shownAt > 0) output.write('\r\u001b[K')
    },
  }
}
