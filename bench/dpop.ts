import { createPublicKey, generateKeyPairSync, hash, randomUUID, sign } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { readDpopKey } from '#auth/dpop/dpop-key.ts'
import { chatBody } from './bodies.ts'
import { type Contender, type Duration, measureSideBySide, type Row, warmUp } from './measure.ts'
import { type Ostiary, startOstiary } from './ostiary.ts'
import { freePort, measuredCore } from './processes.ts'

export const provenCalls = { load: '2 KB, proven', borne: 'key borne', proven: 'key with a proof' } as const

/** Room for all proofs of a minute at the highest rate. */
const CONFIG = { models: { bench: { provider: 'upstream' } }, dpop: { rememberedProofs: 4_194_304 } }

/** Calls with a key that is borne beside calls with a key that is bound, each with a fresh ES256 proof; one gateway, all else equal. */
export async function measureProvenCalls(upstreamPort: number, duration: Duration): Promise<Row[]> {
  const port = await freePort()
  const gateway = await startOstiary({ cores: measuredCore, workers: 1, port, upstreamPort, config: CONFIG })
  const { server, url, headers } = gateway
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const jwk = createPublicKey(privateKey).export({ format: 'jwk' })
  const key = readDpopKey(jwk, 'ES256')
  if (typeof key === 'string') throw new Error(key)
  const bound = await mintBound(gateway, key.thumbprint)
  const ath = hash('sha256', bound, 'base64url')
  const header = encode({ typ: 'dpop+jwt', alg: 'ES256', jwk })
  const makeProof = (): string => {
    const claims = { htm: 'POST', htu: url, iat: Math.floor(Date.now() / 1000), jti: randomUUID(), ath }
    const text = `${header}.${encode(claims)}`
    const signature = sign('sha256', Buffer.from(text), { key: privateKey, dsaEncoding: 'ieee-p1363' })
    return `${text}.${signature.toString('base64url')}`
  }
  const body = chatBody(2)
  const proven = { url, headers: { authorization: `DPoP ${bound}` }, body, makeProof }
  const contenders: Contender[] = [
    { name: provenCalls.borne, server, load: { url, headers, body }, expectedStatus: 200 },
    { name: provenCalls.proven, server, load: proven, expectedStatus: 200 },
  ]
  await warmUp(contenders, duration)
  const rows = await measureSideBySide(provenCalls.load, contenders, duration)
  await server.stop()
  return rows
}

async function mintBound({ server, dataDirectory }: Ostiary, thumbprint: string): Promise<string> {
  const origin = /Admin {5}(\S+)/.exec(server.output())?.[1]
  const token = readFileSync(join(dataDirectory, 'bootstrap-token'), 'utf8').trim()
  const response = await fetch(`${origin}/api/keys`, {
    method: 'POST',
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
    body: JSON.stringify({ name: 'bench', environment: 'test', binding: { dpop_jkt: thumbprint } }),
  })
  if (response.status !== 201) throw new Error(`minting was answered ${response.status}`)
  return ((await response.json()) as { secret: string }).secret
}

function encode(value: object): string {
  return Buffer.from(JSON.stringify(value)).toString('base64url')
}
