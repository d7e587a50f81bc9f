import { parseCidr } from '#core/cidr.ts'
import { requireSchema } from './schema-require.ts'
import { map, section } from './shape.ts'

/** An address or a block of them. */
export const block = {
  type: 'string',
  maxLength: 64,
  pattern: '^[0-9A-Fa-f.:]{2,45}(/[0-9]{1,3})?$',
  patternErrorMessage: 'must be an address or block such as 10.0.0.0/8 or 2001:db8::/32',
  check: (text: string) => {
    const read = parseCidr(text)
    return typeof read === 'string' ? read : undefined
  },
} as const

/** From where something may be called. */
export const accessLists = {
  allow: {
    type: 'array',
    items: block,
    maxItems: 1000,
    uniqueItems: true,
    'x-default': 'every address',
    description: 'Addresses and blocks that may call; all others may not.',
    examples: [['203.0.113.0/24', '2001:db8::/32']],
  },
  deny: {
    type: 'array',
    items: block,
    maxItems: 1000,
    uniqueItems: true,
    default: [] as unknown,
    description: 'Addresses and blocks that may not call, whatever else allows them.',
    examples: [['203.0.113.66']],
  },
} as const

/** `access` */
export const accessSchema = section(
  'From where the public listener may be called, before any credential is looked at. What a list denies no other allows.',
  {
    ...accessLists,
    operations: map(
      {
        description:
          'The same for one operation of models, beside it, and what its callers must be. Operations of services say it themselves.',
        pattern: '^[a-z][a-z0-9-]{0,31}\\.[a-z][a-z0-9_.-]{0,63}$',
        names: 'an operation’s name is such as `openai.chat`',
        examples: [{ 'openai.embeddings': { allow: ['10.0.0.0/8'] } }],
      },
      section('Of one operation.', { ...accessLists, require: requireSchema }, ['allow']),
    ),
  },
  ['allow'],
)
