import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Duration } from './measure.ts'
import { startOstiary } from './ostiary.ts'
import { allCores, freePort } from './processes.ts'

const CALLERS = 32

/** Keys minted a second through the admin API by as many callers as the other loads have, each round's figure. */
export async function measureMinting(
  upstreamPort: number,
  { seconds, warmUpSeconds, rounds }: Duration,
): Promise<number[]> {
  const port = await freePort()
  const { server, dataDirectory } = await startOstiary({ cores: allCores, workers: 'auto', port, upstreamPort })
  const origin = /Admin {5}(\S+)/.exec(server.output())?.[1]
  if (origin === undefined) throw new Error(`The banner names no admin listener:\n${server.output()}`)
  const token = readFileSync(join(dataDirectory, 'bootstrap-token'), 'utf8').trim()
  await mintFor(warmUpSeconds, origin, token)
  const figures: number[] = []
  for (let round = 0; round < rounds; round++) figures.push((await mintFor(seconds, origin, token)) / seconds)
  await server.stop()
  return figures
}

async function mintFor(seconds: number, origin: string, token: string): Promise<number> {
  const end = performance.now() + seconds * 1000
  let minted = 0
  const callers = Array.from({ length: CALLERS }, async () => {
    while (performance.now() < end) {
      const response = await fetch(`${origin}/api/keys`, {
        method: 'POST',
        headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
        body: '{"name":"bench","environment":"test"}',
      })
      await response.arrayBuffer()
      if (response.status !== 201) throw new Error(`minting was answered ${response.status}`)
      if (performance.now() < end) minted++
    }
  })
  await Promise.all(callers)
  return minted
}
