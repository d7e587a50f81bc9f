import { createHmac } from 'node:crypto'
import type { Checkpoint } from '#core/checkpoint.ts'
import type { Clock } from '#core/clock.ts'
import type { Send } from '#core/exchange.ts'
import type { Secret } from '#core/secret.ts'
import { sendWhole } from '#core/whole-reply.ts'
import type { Anchor } from './checkpoints.ts'
import { DeliveredAnchor, Unwanted } from './delivered-anchor.ts'

const GONE = 410
const MAX_ANSWER_BYTES = 64 * 1024

interface WebhookOptions {
  readonly url: string
  /** `whsec_…` */
  readonly secret: Secret
  /** Posts; bounded in time, follows no redirect. */
  readonly send: Send
  readonly clock: Clock
  /** Told when delivery begins to fail, and once when it works again (null). */
  readonly onTrouble: (error: unknown) => void
}

/** Posts each checkpoint as Standard Webhooks says (standardwebhooks.com). The answer 410 ends it until the next start. */
export function webhookAnchor(options: WebhookOptions): Anchor {
  return new DeliveredAnchor({
    async deliver(checkpoint) {
      const status = await post(options, checkpoint)
      const said = `the anchor’s webhook answered ${status}`
      if (status === GONE) throw new Unwanted(said, true)
      if (status < 200 || status > 299) throw new Error(said)
    },
    onTrouble: options.onTrouble,
  })
}

/** Resolves to the status answered. */
async function post({ url, secret, send, clock }: WebhookOptions, checkpoint: Checkpoint): Promise<number> {
  const { pathname } = new URL(url)
  const id = `audit_${checkpoint.keyId}_${checkpoint.seq}`
  const body = JSON.stringify({
    type: 'audit.checkpoint',
    timestamp: new Date(checkpoint.at).toISOString(),
    data: checkpoint,
  })
  const seconds = String(Math.floor(clock() / 1000))
  const key = Buffer.from(secret.reveal().slice('whsec_'.length), 'base64')
  const signature = createHmac('sha256', key).update(`${id}.${seconds}.${body}`).digest('base64')
  const headers = {
    'content-type': 'application/json',
    'webhook-id': id,
    'webhook-timestamp': seconds,
    'webhook-signature': `v1,${signature}`,
  }
  const request = { method: 'POST', path: pathname, headers, body: Buffer.from(body) } as const
  // What it says besides its status is nothing to us.
  return (await sendWhole(send, request, MAX_ANSWER_BYTES)).status
}
