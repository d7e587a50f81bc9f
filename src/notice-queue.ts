import type { ChangeEvent } from '#core/events.ts'

const MAX_WAITING = 1000
const RETRY_MS = 1000

/** Writes events that are told once and must not be lost because the store is away for a moment. */
export interface NoticeQueue extends AsyncDisposable {
  push(event: ChangeEvent): void
}

interface Options {
  readonly record: (event: ChangeEvent) => Promise<void>
  /** The store does not take it now, or too many wait and the oldest was dropped. */
  readonly onTrouble: (error: unknown, event: ChangeEvent) => void
}

/** One after the other, each until it is written; disposing writes what waits, if the store takes it. */
export function createNoticeQueue({ record, onTrouble }: Options): NoticeQueue {
  const waiting: ChangeEvent[] = []
  let writing: Promise<void> | null = null
  let timer: NodeJS.Timeout | undefined
  let stopping = false

  const write = async () => {
    for (let event = waiting[0]; event !== undefined; event = waiting[0]) {
      try {
        await record(event)
        waiting.shift()
      } catch (error) {
        onTrouble(error, event)
        if (!stopping) timer = setTimeout(start, RETRY_MS)
        return
      }
    }
  }
  const start = () => {
    timer = undefined
    writing ??= write().finally(() => {
      writing = null
    })
  }
  return {
    push(event) {
      // Not the first, which may be on its way.
      if (waiting.length >= MAX_WAITING) {
        for (const dropped of waiting.splice(1, 1)) onTrouble(new Error('too many notices wait'), dropped)
      }
      waiting.push(event)
      if (timer === undefined) start()
    },
    async [Symbol.asyncDispose]() {
      stopping = true
      clearTimeout(timer)
      await writing
      await write()
    },
  }
}
