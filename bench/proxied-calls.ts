import { type BodySizeKb, bodySizesKb, chatBody } from './bodies.ts'
import { call } from './call.ts'
import { type Contender, type Duration, measureSideBySide, type Row, warmUp } from './measure.ts'
import type { Peer, RunningPeer } from './peers.ts'
import { freePort, waitFor } from './processes.ts'

/** Every peer under every body. */
export async function measureProxiedCalls(
  peers: readonly Peer[],
  upstreamPort: number,
  duration: Duration,
): Promise<Row[]> {
  const running: [Peer, RunningPeer][] = []
  for (const peer of peers) running.push([peer, await startChecked(peer, upstreamPort)])
  const contendersFor = (sizeKb: BodySizeKb) => running.map(([peer, each]) => contender(peer.name, each, sizeKb))
  await warmUp(contendersFor(2), duration)
  const rows: Row[] = []
  for (const sizeKb of bodySizesKb) {
    rows.push(...(await measureSideBySide(`${sizeKb} KB`, contendersFor(sizeKb), duration)))
  }
  for (const [, { server }] of running) await server.stop()
  return rows
}

function contender(name: string, { server, url, headers }: RunningPeer, sizeKb: BodySizeKb): Contender {
  return { name, server, load: { url, headers, body: chatBody(sizeKb) }, expectedStatus: 200 }
}

/** A peer that does not forward, or does not check the key, would be compared for work it does not do. */
async function startChecked(peer: Peer, upstreamPort: number): Promise<RunningPeer> {
  const running = await peer.start(await freePort(), upstreamPort)
  const answer = await waitFor(running.server, () => call(running.url, running.headers))
  const forwards = peer.forwards === answer.text.includes('"chat.completion"')
  const refused = await call(running.url, { ...running.headers, authorization: 'Bearer sk_test_wrong' })
  const checks = peer.checksKey === (refused?.status === 401)
  if (answer.status === 200 && forwards && checks) return running
  throw new Error(
    `${peer.name} answered ${answer.status} (wrong key: ${refused?.status}): ${answer.text}\n${running.server.output()}`,
  )
}
