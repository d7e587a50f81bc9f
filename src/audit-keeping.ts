import type { Logger } from 'pino'
import { type Anchor, startCheckpoints } from '#audit/checkpoints.ts'
import { fileAnchor } from '#audit/file-anchor.ts'
import { startRetention } from '#audit/retention.ts'
import type { Config } from '#config/schema.ts'
import type { SecretValues } from '#config/secrets.ts'
import { systemClock } from '#core/clock.ts'
import { openAuditKey } from '#secrets/audit-key.ts'
import type { Store } from '#store/ports.ts'

const WEBHOOK_TIMEOUT_MS = 10_000

interface KeepingOptions {
  readonly config: Config['audit']
  readonly secrets: SecretValues
  /** Data directory, which holds the key. */
  readonly folder: string
  readonly store: Store
  readonly log: Logger
}

/** What keeps the audit honest and bounded while the gateway runs. Disposing signs and anchors where it stands. */
export async function keepAudit({ config, secrets, folder, store, log }: KeepingOptions): Promise<AsyncDisposable> {
  await using opened = new AsyncDisposableStack()
  const tell = (message: string) => (error: unknown) => {
    if (error === null) log.info(`${message}: works again`)
    else log.error({ err: error }, message)
  }
  const anchors: Anchor[] = []
  const { file, webhook, webhookSecret, allowPrivateNetwork } = config.anchors
  if (file !== undefined) anchors.push(opened.use(fileAnchor(file, tell('a checkpoint was not written to the file'))))
  if (webhook !== undefined && webhookSecret !== undefined) {
    // Loaded where it is used: few gateways post.
    const { createUpstream } = await import('#http/upstream.ts')
    const { webhookAnchor } = await import('#audit/webhook-anchor.ts')
    const { origin } = new URL(webhook)
    const bounds = { connections: 1, connectTimeoutMs: WEBHOOK_TIMEOUT_MS, timeoutMs: WEBHOOK_TIMEOUT_MS }
    const upstream = createUpstream({ ...bounds, origin, allowPrivateNetwork, idleTimeoutMs: WEBHOOK_TIMEOUT_MS })
    opened.use(upstream)
    const secret = secrets.get(webhookSecret)
    const onTrouble = tell('checkpoints are not taken by the webhook')
    anchors.push(
      opened.use(webhookAnchor({ url: webhook, secret, send: upstream.send, clock: systemClock, onTrouble })),
    )
  }
  opened.use(
    startCheckpoints({
      store: store.audit,
      key: openAuditKey(folder),
      clock: systemClock,
      everyMs: config.checkpointSeconds * 1000,
      anchors,
      onTrouble: tell('no checkpoint could be signed'),
    }),
  )
  if (config.retentionDays !== null) {
    const onTrouble = tell('old decisions could not be pruned')
    opened.use(startRetention({ store: store.audit, days: config.retentionDays, clock: systemClock, onTrouble }))
  }
  return opened.move()
}
