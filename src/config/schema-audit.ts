import { checkBucketUrl, checkEndpoint, URL_MESSAGE, URL_PATTERN } from './addresses.ts'
import { section } from './shape.ts'

/** How events are recorded, signed, anchored and kept. */
export const auditSchema = section('The audit: chains of events that tell of any change to them.', {
  mode: {
    type: 'string',
    enum: ['batched', 'durable'],
    default: 'batched' as unknown,
    description:
      'When a call’s event is on the disk. `batched`: shortly after the call; a crash loses the last moment. `durable`: before the call is forwarded, and before a known caller is told of a refusal.',
    examples: ['durable'],
  },
  checkpointSeconds: {
    type: 'integer',
    minimum: 1,
    maximum: 86_400,
    default: 60,
    description: 'How often the heads of all chains are signed, in seconds, if they have moved.',
    examples: [10],
  },
  retentionDays: {
    anyOf: [{ type: 'integer', minimum: 1, maximum: 36_500 }, { type: 'null' }],
    default: null as unknown,
    description: 'How long decisions are kept, in days; `null` = for ever. Changes are always kept.',
    examples: [400],
  },
  anchors: section(
    'Where signed checkpoints go besides the database, out of reach of whoever may write to it.',
    {
      file: {
        type: 'string',
        maxLength: 4096,
        pattern: '^[^\\0]+$',
        patternErrorMessage: 'must be the path of a file',
        description:
          'File to which each checkpoint is appended, one a line; relative to the folder in which the gateway starts. On a disk of its own, or one that can only be appended to.',
        examples: ['/mnt/worm/ostiary-anchors.jsonl'],
      },
      webhook: {
        type: 'string',
        maxLength: 2048,
        pattern: URL_PATTERN,
        patternErrorMessage: URL_MESSAGE,
        check: checkEndpoint,
        description: 'URL to which each checkpoint is posted, signed as Standard Webhooks says; needs `webhookSecret`.',
        examples: ['https://anchors.example.com/ostiary'],
      },
      webhookSecret: {
        type: 'string',
        'x-secret': true,
        check: checkWebhookSecret,
        description: 'Reference to the secret that posts are signed with: `whsec_` and 24 to 64 bytes in base64.',
        examples: ['env:ANCHOR_SECRET'],
      },
      s3: {
        type: 'string',
        maxLength: 2048,
        pattern: URL_PATTERN,
        patternErrorMessage: URL_MESSAGE,
        check: checkBucketUrl,
        description:
          'URL of a bucket, or of a folder in one, of Amazon S3 or a store that speaks its protocol; each checkpoint becomes an object there, and none is ever overwritten. Needs `s3Region`, `s3AccessKeyId` and `s3SecretAccessKey`.',
        examples: [
          'https://anchors.s3.eu-central-1.amazonaws.com/ostiary',
          'https://minio.example.com/anchors/ostiary',
        ],
      },
      s3Region: {
        type: 'string',
        pattern: '^[a-z0-9-]{1,64}$',
        patternErrorMessage: 'must be the name of a region, such as eu-central-1',
        description: 'Region that requests are signed for.',
        examples: ['eu-central-1'],
      },
      s3AccessKeyId: {
        type: 'string',
        'x-secret': true,
        description: 'Reference to the id of the access key, which needs `s3:PutObject` and `s3:GetObject` there.',
        examples: ['env:ANCHOR_ACCESS_KEY_ID'],
      },
      s3SecretAccessKey: {
        type: 'string',
        'x-secret': true,
        description: 'Reference to the secret of the access key.',
        examples: ['env:ANCHOR_SECRET_ACCESS_KEY'],
      },
      allowPrivateNetwork: {
        type: 'boolean',
        default: false,
        description: 'Whether the names in `webhook` and `s3` may resolve to a private address.',
        examples: [true],
      },
    },
    ['file', 'webhook', 'webhookSecret', 's3', 's3Region', 's3AccessKeyId', 's3SecretAccessKey'],
  ),
})

/** What is wrong with a secret of Standard Webhooks; undefined = nothing. */
function checkWebhookSecret(text: string): string | undefined {
  const [, base64 = ''] = /^whsec_([A-Za-z0-9+/]+={0,2})$/.exec(text) ?? []
  const { length } = Buffer.from(base64, 'base64')
  return length >= 24 && length <= 64 ? undefined : 'must be `whsec_` and 24 to 64 bytes in base64'
}
