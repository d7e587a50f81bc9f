import { type Checkpoint, signCheckpoint, writeHeads } from '#core/checkpoint.ts'
import type { Clock } from '#core/clock.ts'
import type { AuditStore } from '#store/ports.ts'

/** Somewhere out of the database's reach that checkpoints go to. Must neither throw nor block. */
export interface Anchor extends AsyncDisposable {
  add(checkpoint: Checkpoint): void
}

interface CheckpointOptions {
  readonly store: Pick<AuditStore, 'heads' | 'newestCheckpoint' | 'addCheckpoint'>
  readonly key: Parameters<typeof signCheckpoint>[3]
  readonly clock: Clock
  readonly everyMs: number
  readonly anchors: readonly Anchor[]
  /** Told of each failure; the next turn tries again. */
  readonly onTrouble: (error: unknown) => void
}

/** Signs where the chains stand, at intervals and when disposed, if they have moved. */
export function startCheckpoints(options: CheckpointOptions): AsyncDisposable {
  let turn: Promise<void> = Promise.resolve()
  const next = () => {
    turn = turn.then(() => write(options)).catch(options.onTrouble)
    return turn
  }
  const timer = setInterval(next, options.everyMs)
  return {
    async [Symbol.asyncDispose]() {
      clearInterval(timer)
      await next()
    },
  }
}

/** What was written last is asked of the store each time: an answer may have got lost. */
async function write({ store, key, clock, anchors }: CheckpointOptions): Promise<void> {
  const previous = await store.newestCheckpoint()
  const heads = await store.heads()
  if (previous?.heads === writeHeads(heads)) return
  const checkpoint = signCheckpoint(previous, clock(), heads, key)
  await store.addCheckpoint(checkpoint)
  for (const anchor of anchors) anchor.add(checkpoint)
}
