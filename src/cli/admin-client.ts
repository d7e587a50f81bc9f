import { readFileSync } from 'node:fs'
import { loadConfig } from '#config/load.ts'
import { Problem, type ProblemCode, problemTypes } from '#core/problems.ts'
import { bootstrapTokenFile, findDataDirectory } from '#secrets/data-directory.ts'
import type { Io } from './command.ts'

const TIMEOUT_MS = 30_000

/**
 * Calls an operation of the admin listener with the data directory's token; resolves to the answer's body.
 * Throws the problem that was answered, or `cli.not_running`.
 */
export async function callAdmin(io: Io, method: 'GET' | 'POST', path: string, body?: object): Promise<unknown> {
  const { config } = loadConfig({ env: io.env, withSecrets: false })
  const { url, port } = config.listeners.admin
  const origin = url ?? `http://localhost:${port}`
  const response = await fetch(origin + path, {
    method,
    headers: { authorization: `Bearer ${readToken(io)}`, ...(body && { 'content-type': 'application/json' }) },
    body: body === undefined ? null : JSON.stringify(body),
    redirect: 'error',
    signal: AbortSignal.timeout(TIMEOUT_MS),
  }).catch(cause => {
    throw new Problem('cli.not_running', { detail: `No answer from ${origin}.`, cause })
  })
  const answer = (await response.json().catch(cause => {
    throw new Problem('cli.not_running', { detail: `What answers at ${origin} is not Ostiary.`, cause })
  })) as { code?: string; detail?: string }
  if (response.ok) return answer
  const code = answer.code !== undefined && answer.code in problemTypes ? answer.code : 'gateway.internal'
  throw new Problem(code as ProblemCode, answer.detail === undefined ? {} : { detail: answer.detail })
}

function readToken({ env }: Io): string {
  const file = bootstrapTokenFile(findDataDirectory(env))
  try {
    return readFileSync(file, 'utf8').trim()
  } catch (cause) {
    throw new Problem('cli.not_running', { detail: `${file} cannot be read: has the gateway run here?`, cause })
  }
}
