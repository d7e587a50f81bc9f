import { hash, type KeyObject, verify } from 'node:crypto'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Clock } from '#core/clock.ts'
import { newId } from '#core/ids.ts'
import { Problem, toProblemJson } from '#core/problems.ts'
import { markBroken, readJsonBody } from '#http/bodies.ts'

/** A report whose signature was verified. */
export interface LeakReport {
  /** `req_…` */
  readonly id: string
  /** Address of the client. */
  readonly source: string
  /** Texts that were found; any may be no key of this gateway. */
  readonly tokens: readonly string[]
}

export interface LeakIntakeOptions {
  /** The key of this identifier; null = none that is trusted. */
  readonly findKey: (id: string) => Promise<KeyObject | null>
  /** Does what is to be done; whether each of the tokens is a key of this gateway. Throws `leak.too_many_reports`. */
  readonly report: (report: LeakReport) => Promise<readonly boolean[]>
  readonly onRefused: (id: string, source: string, problem: Problem) => void
  readonly logFailure: (id: string, error: unknown) => void
  readonly clock: Clock
}

const PATH = '/leaked-keys'
const MAX_BYTES = 1024 * 1024
const MAX_TOKENS = 1000
/** Bodies that are being received at once. */
const MAX_RECEIVING = 32
/** Base64 of ASN.1 DER: two integers of 33 bytes at most and their frames, 72 bytes. */
const SIGNATURE = /^[A-Za-z0-9+/]{8,96}={0,2}$/

/** Whether the request is a report, where reports are taken. Anything else at this path is a path that leads nowhere. */
export function isLeakReport(req: IncomingMessage): boolean {
  return req.url === PATH && req.method === 'POST'
}

/**
 * Takes reports of leaked keys as GitHub's secret scanning sends them (docs.github.com, secret scanning partner
 * program): signed by ECDSA on P-256 with SHA-256 over the body's bytes, and answered with a label for each token.
 * Whatever is wrong with a signature, the refusal is the same. No token leaves this file but into `report`.
 */
export function createLeakIntake(options: LeakIntakeOptions) {
  const receiving = new Set<IncomingMessage>()

  const receive = async (req: IncomingMessage, res: ServerResponse): Promise<Buffer> => {
    // Nobody is known before the body is read. The oldest gives way, so that who sends slowly keeps nobody out.
    const oldest = receiving.size >= MAX_RECEIVING ? receiving.values().next().value : undefined
    if (oldest !== undefined) markBroken(oldest, new Problem('request.timeout', { reason: 'gave_way' }))
    receiving.add(req)
    try {
      return await readJsonBody(req, res, MAX_BYTES)
    } finally {
      receiving.delete(req)
    }
  }

  const take = async (req: IncomingMessage, res: ServerResponse, id: string, source: string): Promise<object[]> => {
    const { 'github-public-key-identifier': keyId, 'github-public-key-signature': signature } = req.headers
    if (typeof keyId !== 'string' || typeof signature !== 'string' || !SIGNATURE.test(signature)) throw unverified()
    const key = await options.findKey(keyId)
    if (key === null) throw unverified()
    const body = await receive(req, res)
    if (!verify('sha256', body, key, Buffer.from(signature, 'base64'))) throw unverified()
    const found = readReport(body)
    const ours = await options.report({ id, source, tokens: found.map(({ token }) => token) })
    return found.map(({ token, type }, at) => ({
      token_hash: hash('sha256', token),
      token_type: type,
      label: ours[at] ? 'true_positive' : 'false_positive',
    }))
  }

  return async (req: IncomingMessage, res: ServerResponse, source: string): Promise<void> => {
    const id = newId('req', options.clock())
    try {
      answer(res, 200, 'application/json', await take(req, res, id, source), id)
    } catch (error) {
      if (!(error instanceof Problem)) options.logFailure(id, error)
      const problem = error instanceof Problem ? error : new Problem('gateway.internal')
      options.onRefused(id, source, problem)
      // What is left of the body is nobody's.
      res.shouldKeepAlive = false
      answer(res, problem.status, 'application/problem+json', toProblemJson(problem, id), id, problem.headers)
    }
  }
}

function unverified(): Problem {
  return new Problem('leak.unverified')
}

interface Finding {
  readonly token: string
  readonly type: string
}

/** No cause is kept of what cannot be read: it would quote the body. */
function readReport(body: Buffer): readonly Finding[] {
  let report: unknown
  try {
    report = JSON.parse(body.toString('utf8'))
  } catch {
    throw new Problem('request.not_json')
  }
  if (!Array.isArray(report) || report.length > MAX_TOKENS || !report.every(isFinding)) {
    throw new Problem('request.invalid_body', {
      detail: `The body must be an array of at most ${MAX_TOKENS} objects with the texts \`token\` and \`type\`.`,
    })
  }
  return report
}

function isFinding(entry: unknown): entry is Finding {
  const { token, type } = (entry ?? {}) as Record<string, unknown>
  return typeof token === 'string' && typeof type === 'string' && type.length <= 256
}

function answer(
  res: ServerResponse,
  status: number,
  type: string,
  body: object,
  id: string,
  headers: Readonly<Record<string, string>> = {},
): void {
  if (res.destroyed || res.headersSent) return
  const text = JSON.stringify(body)
  const length = Buffer.byteLength(text)
  res.writeHead(status, {
    'content-type': type,
    'content-length': length,
    'cache-control': 'no-store',
    'x-request-id': id,
    ...headers,
  })
  res.end(text)
}
