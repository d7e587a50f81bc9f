import { map, section } from './shape.ts'

const NAME = '^[a-z][a-z0-9-]{0,31}$'
const NAMES = 'a name is 1 to 32 lower-case letters, digits and `-`, a letter first'

const per = {
  type: 'array',
  items: { type: 'string', enum: ['key', 'user', 'client', 'project', 'ip', 'model', 'operation'] },
  maxItems: 7,
  uniqueItems: true,
} as const

const models = {
  type: 'array',
  items: {
    type: 'string',
    pattern: '^[^\\s\\p{C}]{1,256}$',
    patternErrorMessage: 'must be a name or pattern of models: 1 to 256 characters without spaces',
  },
  maxItems: 100,
  uniqueItems: true,
  'x-default': 'all',
  description: 'Models it is about, by the name that callers use; `*` stands for any characters.',
  examples: [['gpt-*']],
} as const

const operations = {
  type: 'array',
  items: { type: 'string', maxLength: 64 },
  maxItems: 100,
  uniqueItems: true,
  'x-default': 'all',
  description: 'Operations it is about.',
  examples: [['openai.chat', 'anthropic.messages']],
} as const

/** Pace of calls. What a limit means for other members (its models exist, a window where one is needed) is in rules.ts. */
export const limitsSchema = map(
  {
    description:
      'Limits on the pace of calls. In any span of `windowSeconds` at most `amount` units pass at once, and over a longer span in proportion more. All limits that apply to a call must have room for it. Keys may have further ones of their own.',
    pattern: NAME,
    names: NAMES,
    examples: [
      {
        'per-key': { unit: 'requests', amount: 600, windowSeconds: 60 },
        'all-tokens': { unit: 'tokens', amount: 2_000_000, windowSeconds: 60, per: [] },
      },
    ],
  },
  section(
    'One limit.',
    {
      unit: {
        type: 'string',
        enum: ['requests', 'tokens', 'input_tokens', 'output_tokens', 'concurrency'],
        description: 'What is counted; `concurrency` = calls at once.',
        examples: ['requests'],
      },
      amount: {
        type: 'integer',
        minimum: 1,
        maximum: 1_000_000_000_000,
        description: 'How many units.',
        examples: [600],
      },
      windowSeconds: {
        type: 'integer',
        minimum: 1,
        maximum: 31_622_400,
        'x-default': 'none; needed for every unit but `concurrency`',
        description: 'In which time, in seconds. The state of limits over more than an hour survives a restart.',
        examples: [60],
      },
      per: {
        ...per,
        default: ['key'] as unknown,
        description:
          'Whose calls are counted together: of one `key` (or subject of tokens), `user`, OAuth `client`, `project`, address (`ip`; of IPv6 the /64), `model`, `operation`, or of one combination of them. An empty list counts all calls together. A limit per `user` or `client` is only about calls that have one, which are those made with tokens.',
        examples: [['project', 'model']],
      },
      models,
      operations,
    },
    ['windowSeconds', 'models', 'operations'],
  ),
)

/** What may be spent. */
export const budgetsSchema = map(
  {
    description:
      'Budgets of money or tokens. What a call may cost at most is reserved before it is forwarded, and what it did cost is settled after it: together they never exceed a budget. Keys may have further ones of their own.',
    pattern: NAME,
    names: NAMES,
    examples: [{ 'per-project': { unit: 'usd', amount: 500, period: 'month' } }],
  },
  section(
    'One budget.',
    {
      unit: {
        type: 'string',
        enum: ['usd', 'tokens'],
        description: 'US dollars by the prices of `models`, or tokens of input and output together.',
        examples: ['usd'],
      },
      amount: {
        type: 'number',
        minimum: 0.000001,
        maximum: 1_000_000_000_000,
        description: 'How much a period: dollars to the millionth, at most 9,000,000, or whole tokens.',
        examples: [500, 12.5],
      },
      period: {
        type: 'string',
        enum: ['day', 'week', 'month', 'total'],
        description: 'Calendar period in UTC, weeks from Monday; `total` = altogether.',
        examples: ['month'],
      },
      per: {
        ...per,
        default: ['project'] as unknown,
        description:
          'Whose calls share it: those of one `key` (or subject of tokens), `user`, OAuth `client`, `project`, address (`ip`), `model`, `operation`, or of one combination of them. An empty list is one budget for all calls. One per `user` or `client` is only about calls that have one, which are those made with tokens.',
        examples: [['key']],
      },
      models,
      alertAt: {
        type: 'array',
        items: { type: 'integer', minimum: 1, maximum: 100 },
        maxItems: 10,
        uniqueItems: true,
        default: [80, 100] as unknown,
        description: 'At which percentages of it an event tells that they were reached.',
        examples: [[50, 80, 95]],
      },
    },
    ['models'],
  ),
)

/** Room for the counters that all workers share. */
export const countersSchema = section('The counters behind limits and budgets, in memory that all workers share.', {
  slots: {
    type: 'integer',
    minimum: 1024,
    maximum: 16_777_216,
    default: 65_536,
    description:
      'How many may be in use at once, for instance keys that called within the last window; each takes about 128 bytes. A counter whose window has passed makes room; where there is none, calls are refused with `limits.too_many_counters`.',
    examples: [1_048_576],
  },
})
