import { createCipheriv, createDecipheriv, createHmac, hkdfSync, randomBytes } from 'node:crypto'
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { Clock } from '#core/clock.ts'
import { Problem } from '#core/problems.ts'
import type { IdempotencyClaim, IdempotencyStore } from '#store/ports.ts'
import { callerOf } from './caller.ts'

const KEPT_MS = 24 * 3_600_000
/** At least 16 characters: the kept answer, which may hold a secret, is as safe as the key is hard to guess. */
const KEY = /^[\x21-\x7e]{16,128}$/
const MAX_ANSWER_BYTES = 1024 * 1024

interface IdempotencyOptions {
  readonly store: IdempotencyStore
  readonly deploymentSecret: Buffer
  readonly clock: Clock
}

/**
 * The header `Idempotency-Key` (draft-ietf-httpapi-idempotency-key-header): a request that is repeated with its key is
 * done once and answered alike. Keys are an operator's own, per operation, for 24 hours.
 *
 * An answer may hold a secret that is shown once. It is kept encrypted under a key made of the idempotency key, which is
 * stored only as a hash, and the deployment secret: whoever reads the database, even with the data directory, lacks the
 * idempotency key; whoever knows that one lacks the rest.
 */
export interface Idempotency {
  /** Before the operation, after its input was found to be valid: answers what was answered before. */
  before(request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply | undefined>
  /** After the operation: keeps its answer. */
  after(request: FastifyRequest, reply: FastifyReply, payload: unknown): Promise<void>
}

interface Answer {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
}

interface Claimed {
  readonly claim: IdempotencyClaim
  readonly sealingKey: Buffer
}

/** Headers of an answer that belong to it; all others belong to the request. */
const KEPT_HEADERS = ['content-type', 'etag', 'location']

export function createIdempotency({ store, deploymentSecret, clock }: IdempotencyOptions): Idempotency {
  const claimed = new WeakMap<FastifyRequest, Claimed>()
  return {
    async before(request, reply) {
      const mine = claimOf(request, deploymentSecret, clock())
      if (mine === null) return
      const first = await store.claim(mine.claim, clock())
      if (first === null) {
        claimed.set(request, mine)
        return
      }
      if (first.requestHash !== mine.claim.requestHash) throw new Problem('admin.idempotency_mismatch')
      if (first.answer === null) throw new Problem('admin.idempotency_in_flight', { headers: { 'retry-after': '1' } })
      const answer = open(first.answer, mine)
      return reply.code(answer.status).headers(answer.headers).header('idempotency-replayed', 'true').send(answer.body)
    },

    async after(request, reply, payload) {
      const mine = claimed.get(request)
      claimed.delete(request)
      if (mine === undefined) return
      const { statusCode: status } = reply
      // What was refused has changed nothing and may be tried again. After a failure nobody knows whether it was done:
      // the claim stays, so that repeating it cannot do it twice.
      if (status >= 400 && status < 500) return store.release(mine.claim)
      if (status >= 500 || typeof payload !== 'string' || payload.length > MAX_ANSWER_BYTES) return
      const headers = KEPT_HEADERS.flatMap(name => {
        const value = reply.getHeader(name)
        return value === undefined ? [] : [[name, String(value)] as const]
      })
      await store.complete(mine.claim, seal({ status, headers: Object.fromEntries(headers), body: payload }, mine))
    },
  }
}

function claimOf(request: FastifyRequest, secret: Buffer, now: number): Claimed | null {
  const key = request.headers['idempotency-key']
  if (request.method !== 'POST' || key === undefined) return null
  if (typeof key !== 'string' || !KEY.test(key)) {
    throw new Problem('admin.invalid_input', {
      detail:
        'headers/idempotency-key must be 16 to 128 visible ASCII characters, hard to guess, such as a random UUID.',
    })
  }
  const operator = callerOf(request).operator.id
  const { operationId: operation = '' } = request.routeOptions.config
  const mac = (purpose: string, text: string) =>
    createHmac('sha256', secret).update(`ostiary idempotency ${purpose}\0${text}`).digest('hex')
  return {
    claim: {
      operator,
      operation,
      keyHash: mac('key', key),
      // Not a plain hash: a body may hold a secret that is easy to guess.
      requestHash: mac('request', JSON.stringify([request.url, request.body ?? null])),
      expiresAt: now + KEPT_MS,
    },
    sealingKey: Buffer.from(
      hkdfSync('sha256', secret, '', `ostiary idempotency answer\0${operator}\0${operation}\0${key}`, 32),
    ),
  }
}

/** AES-256-GCM: nonce, tag, text. Bound to the claim it answers, so that rows cannot be swapped. */
function seal(answer: Answer, { claim, sealingKey }: Claimed): string {
  const nonce = randomBytes(12)
  const cipher = createCipheriv('aes-256-gcm', sealingKey, nonce).setAAD(aadOf(claim))
  const text = Buffer.concat([cipher.update(JSON.stringify(answer), 'utf8'), cipher.final()])
  return Buffer.concat([nonce, cipher.getAuthTag(), text]).toString('base64')
}

function open(sealed: string, { claim, sealingKey }: Claimed): Answer {
  const bytes = Buffer.from(sealed, 'base64')
  const decipher = createDecipheriv('aes-256-gcm', sealingKey, bytes.subarray(0, 12)).setAAD(aadOf(claim))
  decipher.setAuthTag(bytes.subarray(12, 28))
  return JSON.parse(Buffer.concat([decipher.update(bytes.subarray(28)), decipher.final()]).toString('utf8'))
}

function aadOf({ operator, operation, keyHash, requestHash }: IdempotencyClaim): Buffer {
  return Buffer.from([operator, operation, keyHash, requestHash].join('\0'))
}
