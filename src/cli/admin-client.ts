import { loadConfig } from '#config/load.ts'
import { Problem, type ProblemCode, problemTypes } from '#core/problems.ts'
import { type AdminOperations, adminRoutes } from './admin-types.ts'
import type { Io } from './command.ts'
import { findOperatorToken } from './operator-token.ts'

const TIMEOUT_MS = 30_000

type Input<Id extends keyof AdminOperations> = Omit<AdminOperations[Id], 'answer'>

/**
 * Calls an operation of the admin API by its id; resolves to what it answers.
 * Throws the problem that was answered, `cli.not_running` or `cli.no_token`.
 */
export async function callOperation<Id extends keyof AdminOperations>(
  io: Io,
  id: Id,
  input: Input<Id>,
): Promise<AdminOperations[Id]['answer']> {
  const { method, path } = adminRoutes[id]
  const {
    path: names = {},
    query = {},
    body,
  } = input as {
    readonly path?: Readonly<Record<string, string>>
    readonly query?: Readonly<Record<string, string | number | boolean | undefined>>
    readonly body?: object
  }
  const filled = path.replace(/\{(\w+)\}/g, (_, name: string) => encodeURIComponent(names[name] ?? ''))
  const search = new URLSearchParams()
  for (const [name, value] of Object.entries(query)) if (value !== undefined) search.set(name, String(value))
  return (await callAdmin(io, method, search.size === 0 ? filled : `${filled}?${search}`, body)) as never
}

/** The same by method and path, and with further headers. */
export async function callAdmin(
  io: Io,
  method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE',
  path: string,
  body?: object,
  headers: Readonly<Record<string, string>> = {},
): Promise<unknown> {
  const { config } = loadConfig({ env: io.env, withSecrets: false })
  const { url, port } = config.listeners.admin
  const origin = url ?? `http://localhost:${port}`
  const authorization = `Bearer ${findOperatorToken(io.env).secret.reveal()}`
  const response = await fetch(origin + path, {
    method,
    headers: { ...headers, authorization, ...(body && { 'content-type': 'application/json' }) },
    body: body === undefined ? null : JSON.stringify(body),
    redirect: 'error',
    signal: AbortSignal.timeout(TIMEOUT_MS),
  }).catch(cause => {
    throw new Problem('cli.not_running', { detail: `No answer from ${origin}.`, cause })
  })
  const text = await response.text().catch(() => '')
  if (response.ok && text === '') return undefined
  const answer = parseAnswer(text, origin)
  if (response.ok) return answer
  const code = answer.code !== undefined && answer.code in problemTypes ? answer.code : 'gateway.internal'
  throw new Problem(code as ProblemCode, answer.detail === undefined ? {} : { detail: answer.detail })
}

function parseAnswer(text: string, origin: string): { code?: string; detail?: string } {
  try {
    return JSON.parse(text)
  } catch (cause) {
    throw new Problem('cli.not_running', { detail: `What answers at ${origin} is not Ostiary.`, cause })
  }
}
