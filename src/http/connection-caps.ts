import { compileAddresses } from '#core/compile-addresses.ts'
import { type ConnectionTable, openConnectionTable } from './connection-table.ts'

/** Which cap a connection was beyond: of its network at once, of its network within a second, or of this worker. */
export type ConnectionCap = 'connections' | 'rate' | 'worker'

export interface ConnectionCaps {
  /** How to end what was counted; or the cap that the connection is beyond. */
  enter(address: string): (() => void) | ConnectionCap
}

interface CapsOptions {
  readonly memory: SharedArrayBuffer
  readonly worker: number
  readonly maxConnections: number
  readonly maxNewPerSecond: number
  /** Addresses and blocks that speak for many, such as a proxy: no cap is theirs. Checked by the configuration. */
  readonly uncapped: readonly string[]
  readonly clock: () => number
}

const NOTHING = (): void => {}

/** The caps of each address, or IPv6 /64. */
export function createConnectionCaps({ uncapped, ...options }: CapsOptions): ConnectionCaps {
  const table: ConnectionTable = openConnectionTable(options)
  const isUncapped = compileAddresses(uncapped)
  return {
    enter(address) {
      if (isUncapped(address)) return NOTHING
      const slot = table.enter(address)
      return typeof slot === 'string' ? slot : () => table.leave(slot)
    },
  }
}
