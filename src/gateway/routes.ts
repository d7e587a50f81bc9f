import type { IncomingHttpHeaders, IncomingMessage } from 'node:http'
import { type Action, actionOf } from '#core/action.ts'
import type { OperationId } from '#core/operations.ts'
import { Problem } from '#core/problems.ts'
import { parseTarget } from '#http/paths.ts'
import type { JsonObject } from '#http/strict-json.ts'
import type { FormatName } from '#providers/wire-format.ts'
import type { NoProxy } from '#proxies/known-proxies.ts'
import type { Service, ServiceOperation, ServiceUpstream } from '#services/service.ts'
import type { ServiceTable } from '#services/service-table.ts'
import { findQuestionRoute } from './question-route.ts'
import { findServiceRoute } from './service-route.ts'
import type { Asked } from './take-question.ts'

/** How problems are rendered: the dialect of the route, or RFC 9457 where there is none. */
export type ProblemFormat = FormatName | 'problem+json'

interface Common {
  readonly format: ProblemFormat
  /** Canonical path and raw query of this request. */
  readonly path: string
  readonly query: string
}

/** Decided once per request, before anything else. A path that leads nowhere is a route too: its problem waits until the caller is known. */
export type Route = OperationRoute | ModelsRoute | KeyRoute | ServiceRoute | DecisionRoute | DeadEnd

/** Forwards to a provider. */
export interface OperationRoute extends Common {
  readonly serves: 'operation'
  readonly id: OperationId
  readonly action: Action
  readonly format: FormatName
  readonly operation: Operation
  /** Model named by the path; null = the body names it. */
  readonly model: string | null
}

/** Answers from the catalog. */
export interface ModelsRoute extends Common {
  readonly serves: 'models'
  readonly id: OperationId
  readonly action: Action
  readonly format: FormatName
  /** null = the list. */
  readonly model: string | null
}

/** Answers with what callers may know of their own key. */
export interface KeyRoute extends Common {
  readonly serves: 'key'
  readonly id: 'ostiary.key'
}

/** What is asked of a service. */
interface ServiceCall extends Common {
  /** Id of the action. */
  readonly id: string
  readonly format: 'problem+json'
  readonly action: Action
  readonly service: Service
  /** Name of the operation. */
  readonly operation: string
  /** Canonical path below the service; empty = its own place, without a slash at its end. */
  readonly below: string
  /** Of an upgrade what the same request would be without it, which the service may take it for; null = it asks for none. */
  readonly plain: ServiceOperation | null
}

/** Passes the request on to a service. */
export interface ServiceRoute extends ServiceCall {
  readonly serves: 'service'
  readonly service: Service & { readonly upstream: ServiceUpstream }
}

/** Tells another proxy whether it may pass the request on. */
export interface DecisionRoute extends ServiceCall {
  readonly serves: 'decision'
  /** What the caller asked that proxy for: origin, path and query as they were sent. */
  readonly uri: string
}

export interface DeadEnd extends Common {
  readonly serves: 'nothing'
  readonly id: string | null
  readonly problem: Problem
}

/** An operation that is forwarded to a provider. */
export interface Operation {
  readonly format: FormatName
  /** Path at the provider; `{model}` = the provider's name of the model. */
  readonly upstreamPath: string
  /** null = the body's `stream` member says. */
  readonly streams: boolean | null
  /** Throws `request.invalid_body`. */
  readonly checkBody: (body: JsonObject) => void
}

const model: Member = { name: 'model', expected: 'a string of 1 to 256 characters', fits: isModelName }
const stream: Member = { name: 'stream', expected: 'true or false', fits: isSwitch }
const messageList: Member = { name: 'messages', expected: 'an array', fits: Array.isArray }
const input: Member = { name: 'input', expected: 'a string or an array', fits: isText }
const optionalInput: Member = { ...input, fits: value => value === undefined || isText(value) }
const contents: Member = { name: 'contents', expected: 'an array or an object', fits: isObject }

const chat = operation('openai', '/v1/chat/completions', [model, stream, messageList])
const responses = operation('openai', '/v1/responses', [model, stream, optionalInput])
const embeddings = operation('openai', '/v1/embeddings', [model, input])
const messages = operation('anthropic', '/v1/messages', [model, stream, messageList])
// Google serves both versions; its SDK asks for the one or the other by release. What was asked for is asked upstream.
const generate = operation('gemini', '/v1/models/{model}:generateContent', [contents], false)
const generateBeta = operation('gemini', '/v1beta/models/{model}:generateContent', [contents], false)
const streamGenerate = operation('gemini', '/v1/models/{model}:streamGenerateContent', [contents], true)
const streamGenerateBeta = operation('gemini', '/v1beta/models/{model}:streamGenerateContent', [contents], true)

interface Row {
  readonly id: OperationId
  readonly method: 'GET' | 'POST'
  readonly format: FormatName
  /** One `{model}` at most, which matches the rest of its segment and further ones. */
  readonly path: string
  readonly operation?: Operation
}

/** Every endpoint of the gateway. */
const rows: readonly Row[] = [
  ...endpoint('openai.chat', chat),
  ...endpoint('openai.responses', responses),
  ...endpoint('openai.embeddings', embeddings),
  ...endpoint('anthropic.messages', messages),
  ...endpoint('anthropic.messages', messages, '/anthropic/v1/messages'),
  ...endpoint('gemini.generate', generate),
  ...endpoint('gemini.generate', generateBeta),
  ...endpoint('gemini.stream', streamGenerate),
  ...endpoint('gemini.stream', streamGenerateBeta),
  ...models('openai', '/v1/models'),
  ...models('anthropic', '/anthropic/v1/models'),
  ...models('gemini', '/v1beta/models'),
]

function endpoint(id: OperationId, operation: Operation, path = operation.upstreamPath): Row[] {
  return [{ id, method: 'POST', format: operation.format, path, operation }]
}

/** The list and, below it, each model. */
function models(format: FormatName, path: string): Row[] {
  return [
    { id: `${format}.models`, method: 'GET', format, path },
    { id: `${format}.model`, method: 'GET', format, path: `${path}/{model}` },
  ]
}

const modelActions = Map.groupBy(
  rows.filter(({ operation }) => operation !== undefined),
  ({ format }) => format,
)

/** The actions by which models of a format are called. */
export function modelActionsOf(format: FormatName): readonly Action[] {
  const ids = new Set(modelActions.get(format)?.map(({ id }) => id))
  return [...ids].map(actionOf)
}

const OWN_KEY = '/ostiary/key'

/** Paths at which the providers keep objects of the account (threat: tenants share one). */
const stateful: readonly (readonly [FormatName, RegExp])[] = [
  [
    'openai',
    /^\/v1\/(?:responses\/(?!$|input_tokens$)|files|batches|conversations|containers|uploads|vector_stores|assistants|threads|fine_tuning|evals|chat\/completions\/)/,
  ],
  ['anthropic', /^(?:\/anthropic)?\/v1\/(?:messages\/batches|skills|organizations)|^\/anthropic\/v1\/files/],
  [
    'gemini',
    /^\/(?:upload\/)?v1beta\/(?:files|cachedContents|tunedModels|corpora|batches|fileSearchStores|operations)/,
  ],
]

const exact = new Map<string, Row[]>()
const patterns: { row: Row; prefix: string; suffix: string }[] = []
for (const row of rows) {
  const [prefix, suffix] = row.path.split('{model}')
  if (suffix === undefined) exact.set(row.path, [...(exact.get(row.path) ?? []), row])
  else patterns.push({ row, prefix: prefix as string, suffix })
}
// The endpoint with a verb after the name is more particular than the bare one.
patterns.sort((a, b) => b.suffix.length - a.suffix.length)

/** Where a request leads. Never refuses by itself: a dead end carries its problem until the caller is known. */
export function findRoute(req: IncomingMessage, services: ServiceTable, asked: Asked | NoProxy | null = null): Route {
  if (asked !== null && typeof asked !== 'string') return findQuestionRoute(asked.question, services)
  const { method = '', url = '' } = req
  const dialect = dialectOf(req.headers)
  let path = ''
  let query = ''
  try {
    const service = findServiceRoute(req, services)
    if (service !== null) return service
    ;({ path, query } = parseTarget(url))
    if (path === OWN_KEY) return chooseKey(method, path, query)
    const found = exact.get(path)
    if (found !== undefined) return choose(found, null, method, path, query, dialect)
    return findPattern(method, path, query, dialect) ?? nothing(null, formatOf(path), notFound(asked), path, query)
  } catch (problem) {
    if (!(problem instanceof Problem)) throw problem
    return nothing(null, formatOf(path), problem, path, query)
  }
}

function findPattern(method: string, path: string, query: string, dialect: FormatName): Route | null {
  for (const { row, prefix, suffix } of patterns) {
    if (path.startsWith(prefix) && path.endsWith(suffix) && path.length > prefix.length + suffix.length) {
      return choose([row], path.slice(prefix.length, path.length - suffix.length), method, path, query, dialect)
    }
  }
  const kept = stateful.find(([, pattern]) => pattern.test(path))
  if (kept !== undefined)
    return nothing(`${kept[0]}.stateful`, kept[0], new Problem('route.stateful_operation'), path, query)
  return null
}

/** Strangers get no other answer than for any unknown path; the event says why they are strangers. */
function notFound(noProxy: NoProxy | null): Problem {
  return noProxy === null ? new Problem('route.not_found') : new Problem('route.not_found', { reason: noProxy })
}

function choose(
  found: readonly Row[],
  model: string | null,
  method: string,
  path: string,
  query: string,
  dialect: FormatName,
): Route {
  const row = found.find(candidate => candidate.method === method)
  if (row === undefined) {
    const [first] = found as [Row]
    const allow = found.map(candidate => candidate.method).join(', ')
    return nothing(first.id, first.format, new Problem('route.method_not_allowed', { headers: { allow } }), path, query)
  }
  if (row.operation !== undefined) {
    const { id, format, operation } = row
    return { serves: 'operation', id, action: actionOf(id), format, operation, model, path, query }
  }
  const format = row.format === 'openai' ? dialect : row.format
  return { serves: 'models', id: row.id, action: actionOf(row.id), format, model, path, query }
}

function chooseKey(method: string, path: string, query: string): Route {
  const [id, format] = ['ostiary.key', 'problem+json'] as const
  if (method === 'GET') return { serves: 'key', id, format, path, query }
  return nothing(id, format, new Problem('route.method_not_allowed', { headers: { allow: 'GET' } }), path, query)
}

function nothing(id: string | null, format: ProblemFormat, problem: Problem, path: string, query: string): Route {
  return { serves: 'nothing', id, format, problem, path, query }
}

/** Three dialects list their models at one path; the headers of Anthropic's and Google's clients tell them apart. */
function dialectOf(headers: IncomingHttpHeaders): FormatName {
  if (headers['anthropic-version'] !== undefined) return 'anthropic'
  return headers['x-goog-api-client'] !== undefined || headers['x-goog-api-key'] !== undefined ? 'gemini' : 'openai'
}

/** Unknown paths answer in the dialect that their prefix promises: an SDK with a mistaken path still shows the message. */
function formatOf(path: string): ProblemFormat {
  if (path.startsWith('/v1beta/')) return 'gemini'
  if (path.startsWith('/anthropic/') || path.startsWith('/v1/messages')) return 'anthropic'
  return path.startsWith('/v1/') ? 'openai' : 'problem+json'
}

/** What the gateway itself reads of a body; everything else is the provider's to judge. */
interface Member {
  readonly name: string
  readonly expected: string
  fits(value: unknown): boolean
}

function isModelName(value: unknown): boolean {
  return typeof value === 'string' && value.length > 0 && value.length <= 256
}

function isSwitch(value: unknown): boolean {
  return value === undefined || value === null || typeof value === 'boolean'
}

function isText(value: unknown): boolean {
  return typeof value === 'string' || Array.isArray(value)
}

function isObject(value: unknown): boolean {
  return typeof value === 'object' && value !== null
}

function operation(
  format: FormatName,
  upstreamPath: string,
  members: readonly Member[],
  streams: boolean | null = null,
): Operation {
  return {
    format,
    upstreamPath,
    streams,
    checkBody(body) {
      for (const { name, expected, fits } of members) {
        if (fits(body[name])) continue
        throw new Problem('request.invalid_body', { detail: `\`${name}\` must be ${expected}.` })
      }
    },
  }
}
