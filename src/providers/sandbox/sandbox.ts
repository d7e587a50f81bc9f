import { type Clock, systemClock } from '#core/clock.ts'
import type { Exchange, ProviderRequest, ReplySink, Send } from '#core/exchange.ts'
import { answerMessages } from './anthropic.ts'
import { answerEmbeddings } from './embeddings.ts'
import { errorScript, type Format } from './errors.ts'
import { failing } from './failures.ts'
import { answerGenerateContent } from './gemini.ts'
import { InvalidRequest } from './invalid-request.ts'
import { answerChat } from './openai-chat.ts'
import { answerResponses } from './openai-responses.ts'
import { play } from './play.ts'
import type { Script } from './script.ts'
import { parseSettings, type SandboxSettings } from './settings.ts'

/** Answers a body that is JSON, in so many chunks, at a time in ms since the epoch. */
type Operation = (body: unknown, chunks: number, now: number) => Script

const openai: Readonly<Record<string, Operation>> = {
  '/v1/chat/completions': answerChat,
  '/v1/responses': answerResponses,
  '/v1/embeddings': (body, _chunks, now) => answerEmbeddings(body, now),
}

// The SDK calls the stable v1 by default, most others v1beta; the operations are the same.
const GEMINI_PATH = /^\/v1(?:beta)?\/models\/([^/:]+):(generateContent|streamGenerateContent)$/
const GEMINI_LIKE = /^\/v1(?:beta\/|\/models\/[^/]*:)/

/**
 * A provider inside the process that answers in the formats of OpenAI, Anthropic and Gemini without any model:
 * deterministic text, tool calls and structured output with real usage figures, so that building and testing
 * against the gateway costs nothing. `settings` hold for every call; the header `x-ostiary-sandbox` overrides them for one.
 * Wrong input is answered with the format's own 400, never thrown.
 */
export function createSandbox(settings: SandboxSettings, clock: Clock = systemClock): Send {
  return (request: ProviderRequest, sink: ReplySink): Exchange => {
    const { script, settings: used } = direct(request, settings, clock())
    return play(script, used, sink)
  }
}

/** What to play for a request, and how. */
function direct(request: ProviderRequest, defaults: SandboxSettings, now: number) {
  const { format, operation } = findOperation(request)
  let settings = defaults
  try {
    settings = parseSettings(request.headers['x-ostiary-sandbox'], defaults)
    if (operation === null) {
      const message = `The sandbox has no operation ${request.method} ${request.path.split('?', 1)[0]}.`
      return { script: errorScript(format, 404, message, now), settings }
    }
    const script = operation(parseBody(request.body), settings.chunks, now)
    return { script: failing(script, settings.failure, format, now), settings }
  } catch (error) {
    if (!(error instanceof InvalidRequest)) throw error
    return { script: errorScript(format, 400, error.message, now, error.param), settings }
  }
}

function findOperation(request: ProviderRequest): { format: Format; operation: Operation | null } {
  const [path = '', query = ''] = request.path.split('?', 2)
  const post = request.method === 'POST'
  if (path === '/v1/messages') return { format: 'anthropic', operation: post ? answerMessages : null }
  if (path.startsWith('/v1/messages/')) return { format: 'anthropic', operation: null }
  if (!GEMINI_LIKE.test(path)) {
    return { format: 'openai', operation: post && Object.hasOwn(openai, path) ? (openai[path] as Operation) : null }
  }
  const match = GEMINI_PATH.exec(path)
  if (match === null || !post) return { format: 'gemini', operation: null }
  const [, model = '', method] = match
  if (method === 'generateContent') {
    return { format: 'gemini', operation: (...args) => answerGenerateContent(model, 'plain', ...args) }
  }
  const sse = new URLSearchParams(query).get('alt') === 'sse'
  return {
    format: sse ? 'gemini' : 'gemini-array',
    operation: (...args) => answerGenerateContent(model, sse ? 'sse' : 'array', ...args),
  }
}

function parseBody(body: Buffer | null): unknown {
  try {
    return JSON.parse(body === null ? '' : body.toString())
  } catch {
    throw new InvalidRequest('The body is not valid JSON.')
  }
}
