import { open } from 'node:fs/promises'
import type { Checkpoint } from '#core/checkpoint.ts'
import type { Anchor } from './checkpoints.ts'

/** Checkpoints that may wait; each names the one before, so that the last one given to the file proves those left out too. */
const MAX_WAITING = 1000

/** Appends each checkpoint to a file as a line of JSON, synced. What the file does not take is tried again with the next. */
export function fileAnchor(file: string, onTrouble: (error: unknown) => void): Anchor {
  let waiting: Checkpoint[] = []
  let turn: Promise<void> = Promise.resolve()
  const write = async () => {
    const lines = waiting
    if (lines.length === 0) return
    const handle = await open(file, 'a', 0o600)
    try {
      await handle.appendFile(lines.map(checkpoint => `${JSON.stringify(checkpoint)}\n`).join(''))
      await handle.datasync()
    } finally {
      await handle.close()
    }
    waiting = waiting.filter(checkpoint => !lines.includes(checkpoint))
  }
  return {
    add(checkpoint) {
      waiting = [...waiting, checkpoint].slice(-MAX_WAITING)
      turn = turn.then(write).catch(onTrouble)
    },
    async [Symbol.asyncDispose]() {
      await turn
    },
  }
}
