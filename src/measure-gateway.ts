import { renderExposition } from '#metrics/exposition.ts'
import type { Meter } from '#metrics/meter.ts'
import { table } from '#metrics/table.ts'
import type { Store } from '#store/ports.ts'
import type { IssuerKeySource } from './issuer-keys.ts'
import type { Supervisor } from './supervisor.ts'

/** As which worker the supervisor's own numbers are kept. */
const SUPERVISOR = 0

interface MeasuredParts {
  /** The supervisor's own. */
  readonly meter: Meter
  readonly supervisor: Pick<Supervisor, 'meters' | 'workers' | 'recording'>
  readonly store: Pick<Store, 'ping'>
  readonly issuerKeys: Pick<IssuerKeySource, 'measure'>
  /** Number of the configuration in effect. */
  readonly generation: () => number
}

/** The exposition of all metrics of the process, as they are now. */
export async function measureGateway(parts: MeasuredParts): Promise<string> {
  const { meter, supervisor, store, issuerKeys, generation } = parts
  const storeUp = await store.ping().then(
    () => true,
    () => false,
  )
  const { user, system } = process.cpuUsage()
  meter.set(table.startTime, Date.now() / 1000 - process.uptime())
  meter.set(table.storeUp, Number(storeUp))
  meter.set(table.recordingUp, Number(supervisor.recording))
  meter.set(table.workers, supervisor.workers.length)
  meter.set(table.generation, generation())
  const { oldestMs, without } = issuerKeys.measure()
  meter.set(table.keysAge, oldestMs / 1000)
  meter.set(table.withoutKeys, without)
  meter.set(table.residentMemory, process.memoryUsage.rss())
  meter.set(table.cpu, (user + system) / 1e6)
  return renderExposition(new Map([[SUPERVISOR, meter], ...supervisor.meters]))
}
