import { isIP } from 'node:net'
import { map, section } from './shape.ts'

const name = '^[^\\p{C}]{1,256}$'

const list = (pattern: string, patternErrorMessage: string, description: string, example: string) =>
  ({
    type: 'array',
    items: { type: 'string', pattern, patternErrorMessage },
    maxItems: 100,
    uniqueItems: true,
    description,
    examples: [[example]],
  }) as const

const role = '^[a-z][a-z0-9-]{0,63}$'
const roleForm = 'must be 1 to 64 lower-case letters, digits and hyphens, a letter first'
const word = '^[^\\s\\p{C}]{1,256}$'
const text = { type: 'string', pattern: name, patternErrorMessage: 'must be text of 1 to 256 characters' } as const

/** Who asks. What is left out is as with a caller of whom nothing is known: no role, no ceiling, no tag. */
const principal = section(
  'Who asks.',
  {
    kind: {
      type: 'string',
      enum: ['key', 'user', 'service'],
      description: 'An API key, or who a token of an identity provider is about: a person or a program.',
      examples: ['user'],
    },
    id: {
      ...text,
      'x-default': 'one that nobody has',
      description: 'Of a key its id; else the subject of the token.',
      examples: ['alice'],
    },
    issuer: {
      ...text,
      'x-default': 'the one of the configuration, if there is no other',
      description: 'Name of the issuer of the token.',
      examples: ['company'],
    },
    client: { ...text, description: 'The OAuth client that the token was issued to.', examples: ['shop'] },
    project: {
      type: 'string',
      pattern: '^proj_[a-z0-9_]{1,64}$',
      patternErrorMessage: 'must be the id of a project, `proj_…`',
      default: 'proj_default' as string,
      description: 'Id of the project.',
      examples: ['proj_default'],
    },
    environment: {
      type: 'string',
      enum: ['live', 'test'],
      default: 'live' as unknown,
      description: 'Which models the credential reaches.',
      examples: ['test'],
    },
    roles: { ...list(role, roleForm, 'Roles.', 'editor'), default: [] as unknown },
    scopes: list(word, 'must be a scope, such as `chat:create`', 'Ceiling of scopes; left out = none.', 'chat:create'),
    models: list(word, 'must be a name or pattern of models', 'Ceiling of models; left out = none.', 'gpt-*'),
    operations: list(
      word,
      'must be an action, such as `openai.chat`',
      'Ceiling of operations; left out = none.',
      'openai.chat',
    ),
    cidrs: list(
      word,
      'must be an address or block, such as `10.0.0.0/8`',
      'Ceiling of addresses; left out = none.',
      '10.0.0.0/8',
    ),
    tags: map(
      {
        description: 'Metadata of the key.',
        pattern: '^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$',
        names: 'a tag is 1 to 64 letters, digits, dots, hyphens and underscores',
        examples: [{ team: 'payments' }],
      },
      { ...text, pattern: '^[^\\p{C}]{0,256}$', patternErrorMessage: 'must be text of at most 256 characters' },
    ),
    acr: { ...text, description: 'How the person logged in, as the token says it.', examples: ['urn:example:mfa'] },
    authenticatedAgo: {
      type: 'string',
      pattern: '^\\d{1,6}[smhd]$',
      patternErrorMessage: 'must be a span such as 90s, 5m, 12h or 30d',
      description: 'How long ago the person logged in.',
      examples: ['5m'],
    },
    binding: {
      type: 'string',
      enum: ['dpop', 'certificate'],
      description: 'With what the sender proved that the credential is theirs; left out = it was borne.',
      examples: ['dpop'],
    },
  },
  ['id', 'issuer', 'client', 'scopes', 'models', 'operations', 'cidrs', 'acr', 'authenticatedAgo', 'binding'],
)

const context = section(
  'How they ask.',
  {
    ip: {
      type: 'string',
      check: value => (isIP(value) === 0 ? 'must be an IP address' : undefined),
      default: '127.0.0.1' as string,
      description: 'Address of the client.',
      examples: ['10.0.0.1'],
    },
    time: {
      type: 'string',
      check: checkTime,
      default: '2026-01-01T12:00:00Z' as string,
      description: 'When. A time of its own, so that a case means the same on every day.',
      examples: ['2026-01-31T23:30:00Z'],
    },
    features: {
      ...list(word, 'must be a feature, such as `tools`', 'What the body asks for beyond text.', 'tools'),
      default: [] as unknown,
    },
    method: {
      type: 'string',
      pattern: '^[A-Z]{1,32}$',
      patternErrorMessage: 'must be a method in capitals',
      description: 'Of a call to a service: its method.',
      examples: ['PUT'],
    },
    path: {
      type: 'string',
      pattern: '^/[^\\s\\p{C}]{0,1023}$',
      patternErrorMessage: 'must be a path, which begins with `/`',
      description: 'Of a call to a service: its path below the service.',
      examples: ['/items/1'],
    },
  },
  ['method', 'path'],
)

/** One or more questions to the policies and what they must answer. */
const policyCase = section(
  'One case: every action on every model must be answered alike.',
  {
    name: { ...text, description: 'What it shows, in words.', examples: ['an editor edits'] },
    principal,
    actions: list(word, 'must be an action', 'What they ask to do, each of these.', 'openai.chat'),
    models: list(word, 'must be a name of a model', 'To which models; none for actions of a service.', 'gpt-5'),
    context: { ...context, default: {} as unknown },
    expect: { type: 'string', enum: ['allow', 'deny'], description: 'What must come.', examples: ['deny'] },
    by: list(word, 'must be the id of a policy', 'The policies that determine it, all of them.', 'ostiary.viewer'),
    because: {
      type: 'string',
      enum: ['address', 'login', 'scope', 'operation', 'requirement', 'model', 'environment', 'policy'],
      description: 'What must refuse first: a ceiling, what is asked of callers, or the policies.',
      examples: ['policy'],
    },
  },
  ['models', 'by', 'because'],
)

/** A file of cases. */
export const policyCasesSchema = section('Cases that policies must decide as expected.', {
  cases: { type: 'array', items: policyCase, maxItems: 1000, description: 'The cases.', examples: [[]] },
})

function checkTime(value: string): string | undefined {
  const iso = /^\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d{1,3})?)?(Z|[+-]\d\d:\d\d)$/
  if (iso.test(value) && !Number.isNaN(Date.parse(value))) return undefined
  return 'must be a time with its zone, such as 2026-01-31T23:30:00Z'
}
