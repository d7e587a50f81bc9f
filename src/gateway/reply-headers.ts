import { originHeaders } from '#core/origin-headers.ts'
import type { Call } from './call.ts'
import { nonceHeader } from './challenge.ts'
import { expiryHeader } from './expiry-header.ts'
import { limitHeaders } from './limit-headers.ts'
import type { Reply } from './reply.ts'

// Of the hop (RFC 9110 §7.6.1), or of the operator's account and not of the caller, or dangerous on our origin.
const KEPT_BACK = new Set([
  ...originHeaders,
  'connection',
  'keep-alive',
  'proxy-authenticate',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
  'date',
  'server',
  'via',
  'set-cookie',
  'www-authenticate',
  'dpop-nonce',
  'x-request-id',
  'request-id',
  'openai-organization',
  'openai-project',
  'anthropic-organization-id',
  'cf-ray',
  'cf-cache-status',
  'reporting-endpoints',
])

// The limits of the account that all tenants share.
const KEPT_BACK_PREFIXES = ['ratelimit', 'x-ratelimit-', 'anthropic-ratelimit-', 'x-ostiary-', 'access-control-']

// Of an event stream: what is said of its length and of keeping it is ours to say.
const KEPT_BACK_OF_EVENTS = new Set(['content-length', 'cache-control', 'x-accel-buffering'])

/** The answer's headers: the provider's, less what is not the caller's to see, and ours. Flat list of names and values. */
export function replyHeaders(call: Call, reply: Reply, events: boolean): string[] {
  const headers: string[] = []
  const ofHop = namedByConnection(reply.headers.connection)
  for (const name in reply.headers) {
    const value = reply.headers[name]
    if (value === undefined || isKeptBack(name) || (events && KEPT_BACK_OF_EVENTS.has(name))) continue
    if (ofHop?.includes(name)) continue
    if (typeof value === 'string') headers.push(name, value)
    else for (const item of value) headers.push(name, item)
  }
  if (events) headers.push('cache-control', 'no-store', 'x-accel-buffering', 'no')
  headers.push('x-request-id', call.id, 'x-ostiary-overhead-ms', call.overheadMs().toFixed(2))
  if (call.route?.format === 'anthropic') headers.push('request-id', call.id)
  headers.push(...nonceHeader(call), ...expiryHeader(call))
  if (call.route !== null) headers.push(...limitHeaders(call.route.format, call.ticket, call.at))
  if (reply.status >= 400) headers.push('x-ostiary-upstream-status', String(reply.status))
  return headers
}

function isKeptBack(name: string): boolean {
  return KEPT_BACK.has(name) || KEPT_BACK_PREFIXES.some(prefix => name.startsWith(prefix))
}

/** Headers that the provider declares to be of the hop (RFC 9110 §7.6.1); null = none. */
function namedByConnection(connection: string | string[] | undefined): string[] | null {
  if (connection === undefined || connection === 'keep-alive' || connection === 'close') return null
  return String(connection)
    .toLowerCase()
    .split(',')
    .map(name => name.trim())
}
