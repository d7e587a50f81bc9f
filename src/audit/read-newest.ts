import { CHANGES_CHAIN } from '#core/audit-chain.ts'
import type { OstiaryEvent } from '#core/events.ts'
import type { AuditReader } from '#store/audit-reader.ts'
import type { EventFilter } from './filter.ts'
import { type Places, readEvents } from './read-events.ts'

/** The newest events that are meant, oldest of them first, and how far that is: looks back as far as it must. */
export async function readNewest(reader: AuditReader, filter: EventFilter, count: number) {
  for (let rows = Math.max(count, 1); ; rows *= 8) {
    const { places, whole } = await placesBack(reader, rows)
    const events: OstiaryEvent[] = []
    for await (const event of readEvents(reader, filter, places)) {
      events.push(event)
      if (events.length > count) events.shift()
    }
    if (events.length === count || whole) return { events, places }
  }
}

/** So many rows before the end of each chain; `whole` = that is the beginning of all. */
async function placesBack(reader: AuditReader, rows: number) {
  const places: Places = new Map()
  let whole = true
  for (const chain of [CHANGES_CHAIN, ...(await reader.chains())]) {
    const extent = await reader.extent(chain)
    if (extent === undefined) continue
    places.set(chain, Math.max(extent.last - rows, extent.first - 1))
    whole &&= extent.last - rows < extent.first
  }
  return { places, whole }
}
