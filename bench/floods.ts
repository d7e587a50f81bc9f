import { chatBody } from './bodies.ts'
import { call } from './call.ts'
import { makeFloodKeys, UNHINDERED } from './flood-keys.ts'
import { type Contender, type Duration, measureSideBySide, type Row, warmUp } from './measure.ts'
import { startOstiary } from './ostiary.ts'
import { bareNode } from './peers.ts'
import { freePort, measuredCore, waitFor } from './processes.ts'

export const floods = {
  /** Right shape and CRC, wrong MAC tag: refused without a look-up. */
  madeUp: 'flood of made-up keys',
  /** Valid tag, not in the store: only a look-up can refuse them. */
  unknown: 'flood of unknown keys',
} as const

export type Flood = keyof typeof floods

/** Refusals by the gateway (one worker) beside the cheapest answer Node can give to the same requests. */
export async function measureFloods(upstreamPort: number, duration: Duration): Promise<Row[]> {
  const port = await freePort()
  const ostiary = await startOstiary({
    cores: measuredCore,
    workers: 1,
    port,
    upstreamPort,
    maxFailuresPerSecond: UNHINDERED,
  })
  const bare = await bareNode.start(await freePort(), upstreamPort)
  await waitFor(bare.server, () => call(bare.url, bare.headers))
  const rows: Row[] = []
  for (const flood of Object.keys(floods) as Flood[]) {
    const keys = makeFloodKeys(flood, ostiary)
    const body = chatBody(0.3)
    const contenders: Contender[] = [
      {
        name: bareNode.name,
        server: bare.server,
        load: { url: bare.url, headers: {}, body, keys },
        expectedStatus: 200,
      },
      {
        name: 'ostiary',
        server: ostiary.server,
        load: { url: ostiary.url, headers: {}, body, keys },
        expectedStatus: 401,
      },
    ]
    await warmUp(contenders, duration)
    rows.push(...(await measureSideBySide(floods[flood], contenders, duration)))
  }
  await ostiary.server.stop()
  await bare.server.stop()
  return rows
}
