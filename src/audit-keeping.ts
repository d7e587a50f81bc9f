import type { Logger } from 'pino'
import { type Anchor, startCheckpoints } from '#audit/checkpoints.ts'
import { fileAnchor } from '#audit/file-anchor.ts'
import { startRetention } from '#audit/retention.ts'
import type { Config } from '#config/schema.ts'
import type { SecretValues } from '#config/secrets.ts'
import { systemClock } from '#core/clock.ts'
import type { Send } from '#core/exchange.ts'
import { openAuditKey } from '#secrets/audit-key.ts'
import type { Store } from '#store/ports.ts'

const TIMEOUT_MS = 10_000

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
  const { file, webhook, webhookSecret, s3, s3Region, s3AccessKeyId, s3SecretAccessKey } = config.anchors
  const secretOf = (reference: string | undefined) => secrets.get(reference ?? '')
  if (file !== undefined) anchors.push(opened.use(fileAnchor(file, tell('a checkpoint was not written to the file'))))
  if (webhook !== undefined) {
    const { webhookAnchor } = await import('#audit/webhook-anchor.ts')
    const send = await openSend(opened, webhook, config.anchors)
    const onTrouble = tell('checkpoints are not taken by the webhook')
    const secret = secretOf(webhookSecret)
    anchors.push(opened.use(webhookAnchor({ url: webhook, secret, send, clock: systemClock, onTrouble })))
  }
  if (s3 !== undefined && s3Region !== undefined) {
    const { s3Anchor } = await import('#audit/s3-anchor.ts')
    const send = await openSend(opened, s3, config.anchors)
    const onTrouble = tell('checkpoints are not taken by the bucket')
    const accessKeyId = secretOf(s3AccessKeyId)
    const credentials = { region: s3Region, accessKeyId, secretAccessKey: secretOf(s3SecretAccessKey) }
    anchors.push(opened.use(s3Anchor({ url: s3, credentials, send, clock: systemClock, onTrouble })))
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

/** Loaded where it is used: few gateways send checkpoints anywhere. */
async function openSend(
  opened: AsyncDisposableStack,
  url: string,
  { allowPrivateNetwork }: Config['audit']['anchors'],
): Promise<Send> {
  const { createUpstream } = await import('#http/upstream.ts')
  const bounds = { connections: 1, connectTimeoutMs: TIMEOUT_MS, timeoutMs: TIMEOUT_MS, idleTimeoutMs: TIMEOUT_MS }
  return opened.use(createUpstream({ origin: new URL(url).origin, allowPrivateNetwork, ...bounds })).send
}
