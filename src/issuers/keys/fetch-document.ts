import type { ReplyHeaders } from '#core/exchange.ts'
import { Problem } from '#core/problems.ts'
import { sendWhole } from '#core/whole-reply.ts'
import { type JsonObject, parseStrictJson } from '#http/strict-json.ts'
import { KeysNotHad } from '#issuers/review/finding.ts'

/** A JSON document that an issuer publishes. */
export interface FetchedDocument {
  readonly value: JsonObject
  /** How long it may be kept (RFC 9111 §5.2.2.1), ms; null = it does not say. */
  readonly maxAgeMs: number | null
  /** The issuer's time of day, ms since the epoch; null = it does not say. */
  readonly date: number | null
}

/** Rejects with `KeysNotHad`. Asks over a connection of its own, in bounded time from the first byte to the last. */
export type FetchDocument = (url: string, allowPrivateNetwork: boolean) => Promise<FetchedDocument>

export const MAX_DOCUMENT_BYTES = 512 * 1024
const MAX_DEPTH = 16

export const createFetchDocument =
  (timeoutMs: number): FetchDocument =>
  async (url, allowPrivateNetwork) => {
    // Loaded where it is used: few gateways take tokens.
    const { createUpstream } = await import('#http/upstream.ts')
    const { origin, pathname, search } = new URL(url)
    const bounds = { connections: 1, connectTimeoutMs: timeoutMs, timeoutMs, idleTimeoutMs: timeoutMs }
    await using upstream = createUpstream({ origin, allowPrivateNetwork, ...bounds })
    const headers = { accept: 'application/json', 'user-agent': 'ostiary' }
    const request = { method: 'GET', path: pathname + search, headers, body: null } as const
    const reply = await sendWhole(upstream.send, request, MAX_DOCUMENT_BYTES + 1, timeoutMs).catch(error => {
      throw toKeysNotHad(error, origin)
    })
    if (reply.status !== 200) throw new KeysNotHad(`status_${reply.status}`, `${url} answered ${reply.status}.`)
    if (reply.body.length > MAX_DOCUMENT_BYTES) {
      throw new KeysNotHad('too_large', `${url} answered more than ${MAX_DOCUMENT_BYTES} bytes.`)
    }
    try {
      const { value } = parseStrictJson(reply.body, MAX_DEPTH)
      return { value, maxAgeMs: maxAgeOf(reply.headers), date: dateOf(reply.headers) }
    } catch (cause) {
      throw new KeysNotHad('not_json', `${url} answered something else than a JSON object.`, cause)
    }
  }

function toKeysNotHad(error: unknown, origin: string): KeysNotHad {
  const { code, reason } = error instanceof Problem ? error : { code: undefined, reason: undefined }
  if (reason === 'redirect') {
    return new KeysNotHad('redirect', `${origin} redirects. Redirects are not followed: configure the address itself.`)
  }
  if (reason === 'private_address') {
    const advice = 'Set `allowPrivateNetwork` if the issuer is in your own network.'
    return new KeysNotHad('private_address', `The name of ${origin} resolves to a private address. ${advice}`)
  }
  if (code === 'upstream.timeout') return new KeysNotHad('timeout', `${origin} did not answer in time.`, error)
  return new KeysNotHad('unreachable', `${origin} cannot be reached (${reason ?? 'failed'}).`, error)
}

function maxAgeOf(headers: ReplyHeaders): number | null {
  const text = String(headers['cache-control'] ?? '').toLowerCase()
  if (/(?:^|,)\s*no-(?:store|cache)\b/.test(text)) return 0
  const seconds = /(?:^|,)\s*max-age\s*=\s*"?(\d{1,9})/.exec(text)?.[1]
  return seconds === undefined ? null : Number(seconds) * 1000
}

/** What a cache has kept is as old as it says (RFC 9111 §5.1). */
function dateOf(headers: ReplyHeaders): number | null {
  const date = Date.parse(String(headers.date ?? ''))
  const age = /^\d{1,9}$/.exec(String(headers.age ?? ''))?.[0] ?? '0'
  return Number.isNaN(date) ? null : date + Number(age) * 1000
}
