import { startOstiary } from './ostiary.ts'
import { allCores, freePort } from './processes.ts'

const starts = 5

/** Times from spawning the gateway on an empty data directory to its first 200 for an authenticated call, ms. */
export async function measureStartUp(upstreamPort: number): Promise<number[]> {
  const times: number[] = []
  for (let i = 0; i < starts; i++) {
    const port = await freePort()
    const began = performance.now()
    const { server } = await startOstiary({ cores: allCores, workers: 'auto', port, upstreamPort })
    times.push(performance.now() - began)
    await server.stop()
  }
  return times
}
