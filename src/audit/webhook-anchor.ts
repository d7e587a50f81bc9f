import { createHmac } from 'node:crypto'
import type { Checkpoint } from '#core/checkpoint.ts'
import type { Clock } from '#core/clock.ts'
import type { ProviderRequest, Send } from '#core/exchange.ts'
import type { Secret } from '#core/secret.ts'
import { sendWhole } from '#core/whole-reply.ts'
import type { Anchor } from './checkpoints.ts'

/** Checkpoints that may wait; beyond, the oldest are given up: a later one proves them too. */
const MAX_WAITING = 1000
const FIRST_DELAY_MS = 1000
const MAX_DELAY_MS = 300_000
/** A stop gives what waits this long. */
const STOP_MS = 5000
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

/**
 * Posts each checkpoint as Standard Webhooks says (standardwebhooks.com), in order, again and again until it is taken:
 * after 1 s, then each time twice as long, up to 5 min. The answer 410 ends it until the next start.
 */
export function webhookAnchor(options: WebhookOptions): Anchor {
  return new WebhookAnchor(options)
}

class WebhookAnchor implements Anchor {
  readonly #options: WebhookOptions
  #waiting: Checkpoint[] = []
  #failures = 0
  #running: Promise<void> | null = null
  #timer: NodeJS.Timeout | undefined
  #gone = false

  constructor(options: WebhookOptions) {
    this.#options = options
  }

  add(checkpoint: Checkpoint): void {
    if (this.#gone) return
    this.#waiting = [...this.#waiting, checkpoint].slice(-MAX_WAITING)
    if (this.#timer === undefined) this.#start()
  }

  #start(): void {
    this.#timer = undefined
    this.#running ??= this.#deliver().finally(() => {
      this.#running = null
    })
  }

  /** Until nothing waits or one is not taken. */
  async #deliver(): Promise<void> {
    for (let next = this.#waiting[0]; next !== undefined; next = this.#waiting[0]) {
      try {
        const status = await post(this.#options, next)
        if (status === GONE) {
          this.#gone = true
          this.#waiting = []
        }
        if (status < 200 || status > 299) throw new Error(`the anchor’s webhook answered ${status}`)
      } catch (error) {
        if (this.#failures === 0) this.#options.onTrouble(error)
        const delay = Math.min(FIRST_DELAY_MS * 2 ** this.#failures++, MAX_DELAY_MS)
        if (!this.#gone) this.#timer = setTimeout(() => this.#start(), delay).unref()
        return
      }
      // It may have been given up meanwhile.
      this.#waiting = this.#waiting.filter(checkpoint => checkpoint !== next)
      if (this.#failures > 0) this.#options.onTrouble(null)
      this.#failures = 0
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    clearTimeout(this.#timer)
    this.#start()
    const { promise: late, resolve } = Promise.withResolvers<void>()
    const timer = setTimeout(resolve, STOP_MS)
    await Promise.race([this.#running, late])
    clearTimeout(timer)
    clearTimeout(this.#timer)
  }
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
  const request: ProviderRequest = {
    method: 'POST',
    path: pathname,
    headers: {
      'content-type': 'application/json',
      'webhook-id': id,
      'webhook-timestamp': seconds,
      'webhook-signature': `v1,${signature}`,
    },
    body: Buffer.from(body),
  }
  // What it says besides its status is nothing to us.
  return (await sendWhole(send, request, MAX_ANSWER_BYTES)).status
}
