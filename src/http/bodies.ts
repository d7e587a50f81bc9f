import type { IncomingMessage, ServerResponse } from 'node:http'
import { Problem } from '#core/problems.ts'

const BROKEN = Symbol('broken')
type Breakable = IncomingMessage & { [BROKEN]?: Problem }

/** The bytes of a request turned out not to be its body: whoever reads it, now or later, is told so. */
export function markBroken(req: IncomingMessage, problem: Problem): void {
  ;(req as Breakable)[BROKEN] ??= problem
  req.emit(BROKEN, problem)
}

/** Tells at once, or as soon as it is known, that the body will not come whole: `request.*`. */
export function onBroken(req: IncomingMessage, callback: (problem: Problem) => void): void {
  const broken = (req as Breakable)[BROKEN]
  if (broken !== undefined || req.destroyed) {
    callback(broken ?? new Problem('request.caller_hung_up'))
    return
  }
  req.on('error', cause => callback(new Problem('request.caller_hung_up', { cause })))
  req.on(BROKEN, callback)
  req.on('close', () => {
    if (!req.complete) callback(new Problem('request.caller_hung_up'))
  })
}

/**
 * Reads a JSON request's body whole, at most `maxBytes`.
 * Rejects with `request.unsupported_media_type`, `request.too_large`, `request.timeout`, `request.malformed` or
 * `request.caller_hung_up`.
 */
export function readJsonBody(req: IncomingMessage, res: ServerResponse, maxBytes: number): Promise<Buffer> {
  checkDeclaration(req, maxBytes)
  // Only now is the body wanted: a caller that asked first (RFC 9110 §10.1.1) has been authenticated.
  // HTTP/1.0 knows no interim answer and must not be sent one (§15.2).
  if (req.headers.expect !== undefined && req.httpVersion === '1.1') res.writeContinue()
  return new Promise((resolve, reject) => {
    // Also one that was cut off while its caller was authenticated, and says nothing any more.
    onBroken(req, reject)
    let first: Buffer | undefined
    let chunks: Buffer[] | undefined
    let size = 0
    req.on('data', (chunk: Buffer) => {
      size += chunk.length
      if (size > maxBytes) {
        req.removeAllListeners('data')
        reject(new Problem('request.too_large'))
      } else if (first === undefined) first = chunk
      else if (chunks === undefined) chunks = [first, chunk]
      else chunks.push(chunk)
    })
    req.on('end', () => resolve(chunks === undefined ? (first ?? Buffer.alloc(0)) : Buffer.concat(chunks, size)))
  })
}

const JSON_TYPE = /^application\/json[ \t]*(?:;[ \t]*charset[ \t]*=[ \t]*"?utf-8"?[ \t]*)?$/i

function checkDeclaration(req: IncomingMessage, maxBytes: number): void {
  const { 'content-type': type, 'content-encoding': encoding, 'content-length': length } = req.headers
  if (type !== 'application/json' && !JSON_TYPE.test(type ?? '')) throw new Problem('request.unsupported_media_type')
  if (encoding !== undefined && encoding !== 'identity') {
    throw new Problem('request.unsupported_media_type', { detail: 'A content encoding is not accepted.' })
  }
  if (length !== undefined && Number(length) > maxBytes) throw new Problem('request.too_large')
}
