import { mkdtempSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { createRecorder } from '#audit/recorder.ts'
import type { CallEvent } from '#core/events.ts'
import { migrateSqlite, openSqliteStore, startDatabaseThread } from '#store/sqlite/open.ts'
import { callEvent } from './audit.ts'
import type { Duration } from './measure.ts'
import { scratch } from './processes.ts'

/** About what a worker does on one core: the rate decides how full its batches are. */
const EVENTS_PER_SECOND = 8000
const TICK_MS = 10

/**
 * CPU time that an event of a call costs in the mode `batched`, µs, each round: to make it, to put it into the chain, and
 * to have the database thread write it, both threads and the kernel's share together. The same wait without events is
 * taken off. The gateway itself has no way to be without its audit, so the recorder runs here with its real store.
 */
export async function measureRecording({ seconds, rounds }: Duration): Promise<number[]> {
  await using thread = await startDatabaseThread(join(mkdtempSync(join(scratch, 'recording-')), 'ostiary.db'))
  await migrateSqlite(thread.connect())
  await using store = openSqliteStore(thread.connect())
  await using recorder = createRecorder({
    events: store.events,
    worker: 1,
    clock: Date.now,
    mode: 'batched',
    onTrouble(error) {
      if (error !== null) throw error
    },
  })
  const record = (n: number) => {
    recorder.ensureRecordable()
    recorder.record(callEvent(n, Date.now()) as CallEvent)
  }
  // Compiled first, as in a gateway that has been running.
  await run(seconds, record)
  const figures: number[] = []
  for (let round = 0; round < rounds; round++) {
    const idle = await run(seconds, () => {})
    const busy = await run(seconds, record)
    figures.push(busy.micros / busy.events - idle.micros / idle.events)
  }
  return figures
}

async function run(seconds: number, each: (n: number) => void): Promise<{ micros: number; events: number }> {
  const before = process.cpuUsage()
  const began = performance.now()
  let events = 0
  for (let elapsed = 0; elapsed < seconds * 1000; elapsed = performance.now() - began) {
    // However late a tick is, the rate stays.
    for (const due = (elapsed / 1000) * EVENTS_PER_SECOND; events < due; events++) each(events)
    await pause(TICK_MS)
  }
  // The last batch too.
  await pause(100)
  const { user, system } = process.cpuUsage(before)
  return { micros: user + system, events }
}
