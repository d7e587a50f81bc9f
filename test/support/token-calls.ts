import { writeFile } from 'node:fs/promises'
import { internalActor } from '#core/actor.ts'
import { ask, type Gateway, type Reply, startGateway } from './gateway.ts'

const CHAT = JSON.stringify({ model: 'sandbox', messages: [{ role: 'user', content: 'Hello' }] })

/** One call to the sandbox that bears a token, from an address of this machine. */
export function chat(gateway: { readonly url: string }, token: string, from = '127.0.0.1'): Promise<Reply> {
  return call(gateway.url, { authorization: `Bearer ${token}` }, from)
}

/** One call to the sandbox with a bound token and a proof of its key (RFC 9449). */
export function chatWithProof({ url }: { readonly url: string }, token: string, proof: string): Promise<Reply> {
  return call(url, { authorization: `DPoP ${token}`, dpop: proof })
}

function call(url: string, headers: Record<string, string>, from = '127.0.0.1'): Promise<Reply> {
  const sent = { 'content-type': 'application/json', ...headers }
  return ask(`${url}/v1/chat/completions`, { headers: sent, body: CHAT, localAddress: from })
}

/** A gateway with a project of its own for the callers of an issuer; `yaml` is given the project's id. */
export async function startWithProject(
  yaml: (project: string) => string,
  env: Readonly<Record<string, string>>,
): Promise<Gateway & { readonly project: string }> {
  const gateway = await startGateway({ env })
  try {
    const { id } = await gateway.ostiary.projects.create(
      { name: 'acme', description: '', metadata: {} },
      internalActor('test'),
    )
    await writeFile(gateway.configFile, yaml(id))
    await gateway.ostiary.reload('test')
    return Object.assign(gateway, { project: id })
  } catch (error) {
    await gateway[Symbol.asyncDispose]()
    throw error
  }
}
