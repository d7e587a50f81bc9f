import type { CheckSender } from '#auth/authenticate.ts'
import { certificateThumbprint } from '#auth/certificate-thumbprint.ts'
import { createCheckSender } from '#auth/check-sender.ts'
import { createDpopNonces } from '#auth/dpop/dpop-nonces.ts'
import { createTargetMatch } from '#auth/dpop/dpop-target.ts'
import { createProofCheck } from '#auth/dpop/dpop-verify.ts'
import { openReplayMemory } from '#auth/dpop/replay-memory.ts'
import type { Config } from '#config/schema.ts'
import { systemClock } from '#core/clock.ts'

interface SenderSeed {
  /** Port of the public listener. */
  readonly port: number
  readonly deploymentSecret: Uint8Array
  /** Proofs that were used, shared by all workers. */
  readonly proofs: SharedArrayBuffer
}

/** What senders of bound credentials must prove; fixed when the process starts. */
export function compileSender({ listeners, dpop }: Config, seed: SenderSeed): CheckSender {
  const nonces = dpop.requireNonce ? createDpopNonces(Buffer.from(seed.deploymentSecret), systemClock) : null
  const verifyProof = createProofCheck({
    matchTarget: createTargetMatch(originsOf(listeners.public, seed.port)),
    maxAgeMs: dpop.maxAgeSeconds * 1000,
    skewMs: dpop.clockSkewSeconds * 1000,
    replays: openReplayMemory(seed.proofs, systemClock),
    nonces,
    clock: systemClock,
  })
  return createCheckSender({ verifyProof, certificateThumbprint })
}

/** The origin that callers reach; of a listener on `localhost` that is not behind a proxy also its two addresses. */
function originsOf({ host, url, port: configured }: Config['listeners']['public'], port: number): Set<string> {
  const isDirect = url === new URL(`http://${host.includes(':') ? `[${host}]` : host}:${configured}`).origin
  if (!isDirect) return new Set([url])
  const hosts = host === 'localhost' ? ['localhost', '127.0.0.1', '[::1]'] : [new URL(url).hostname]
  return new Set(hosts.map(name => new URL(`http://${name}:${port}`).origin))
}
