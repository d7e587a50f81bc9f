import { call } from './call.ts'
import { freePort, loadCore, startServer, waitFor } from './processes.ts'
import { upstreamConfig } from './proxy-configs.ts'

/** Starts the static provider behind every peer and returns its port. */
export async function startUpstream(): Promise<number> {
  const port = await freePort()
  const command = ['haproxy', '-db', '-f', upstreamConfig(port)]
  const server = startServer({ name: 'upstream', cores: loadCore, command })
  await waitFor(server, () => call(`http://127.0.0.1:${port}/v1/chat/completions`, {}))
  return port
}
