import type { Clock } from '#core/clock.ts'
import type { Send } from '#core/exchange.ts'
import { sendWhole, type WholeReply } from '#core/whole-reply.ts'
import type { Anchor } from './checkpoints.ts'
import { DeliveredAnchor, Unwanted } from './delivered-anchor.ts'
import { type S3Credentials, signS3 } from './sigv4.ts'

interface S3AnchorOptions {
  /** Of the bucket or of a folder in it: `https://<bucket>.s3.<region>.amazonaws.com/…` or `https://<host>/<bucket>/…`. */
  readonly url: string
  readonly credentials: S3Credentials
  /** Bounded in time, follows no redirect. */
  readonly send: Send
  readonly clock: Clock
  /** Told when writing begins to fail, and once when it works again (null). */
  readonly onTrouble: (error: unknown) => void
}

/** The object is there already. */
const PRECONDITION_FAILED = 412
const MAX_ANSWER_BYTES = 64 * 1024

/**
 * Puts each checkpoint into an object of its own, named so that their order is that of the checkpoints, and never over
 * one that is there (`If-None-Match: *`, RFC 9110 §13.1.2). One that is there must be the same: an answer may have got lost.
 */
export function s3Anchor(options: S3AnchorOptions): Anchor {
  return new DeliveredAnchor({
    async deliver(checkpoint) {
      const body = `${JSON.stringify(checkpoint)}\n`
      const name = `checkpoint-${String(checkpoint.seq).padStart(12, '0')}.json`
      const headers = { 'content-type': 'application/json', 'if-none-match': '*' }
      const { status } = await exchange(options, 'PUT', name, headers, body)
      if (status === PRECONDITION_FAILED) return await requireSame(options, name, body)
      if (status !== 200) throw new Error(`the anchor’s bucket answered ${status}`)
    },
    onTrouble: options.onTrouble,
  })
}

async function requireSame(options: S3AnchorOptions, name: string, wanted: string): Promise<void> {
  const { status, body } = await exchange(options, 'GET', name, {}, '')
  if (status >= 500) throw new Error(`the anchor’s bucket answered ${status}`)
  if (status === 200 && body.equals(Buffer.from(wanted))) return
  throw new Unwanted(`${name} is in the anchor’s bucket already, and is not known to be this checkpoint`, false)
}

function exchange(
  { url, credentials, send, clock }: S3AnchorOptions,
  method: 'GET' | 'PUT',
  name: string,
  headers: Readonly<Record<string, string>>,
  body: string,
): Promise<WholeReply> {
  const { host, pathname } = new URL(url)
  const path = `${pathname.replace(/\/+$/, '')}/${name}`
  const signed = signS3({ method, host, path, headers, body }, credentials, clock())
  return sendWhole(send, { method, ...signed, body: method === 'GET' ? null : Buffer.from(body) }, MAX_ANSWER_BYTES)
}
