import type { IncomingMessage, ServerResponse } from 'node:http'
import { KEY_SET_MAX_AGE_SECONDS, type KeySet } from '#identity/key-set.ts'

/** Where services fetch the keys that identity tokens are verified with. */
export const KEY_SET_PATH = '/.well-known/ostiary/jwks.json'

/** Whether a request is for the keys; what comes with it does not matter. */
export function asksForKeySet({ method, url }: IncomingMessage): boolean {
  return url === KEY_SET_PATH && (method === 'GET' || method === 'HEAD')
}

/** Public, the same for everybody. */
export function answerKeySet(res: ServerResponse, { body, etag }: KeySet): void {
  const { method, headers } = res.req
  const cached = { etag, 'cache-control': `public, max-age=${KEY_SET_MAX_AGE_SECONDS}` }
  if (isKnown(headers['if-none-match'], etag)) {
    res.writeHead(304, cached).end()
    return
  }
  res.writeHead(200, { ...cached, 'content-type': 'application/jwk-set+json', 'content-length': body.length })
  res.end(method === 'HEAD' ? undefined : body)
}

/** RFC 9110 §13.1.2: `*`, or any of those listed, weakly compared. */
function isKnown(sent: string | undefined, etag: string): boolean {
  if (sent === undefined) return false
  return sent.split(',').some(part => part.trim() === '*' || part.trim().replace(/^W\//, '') === etag)
}
