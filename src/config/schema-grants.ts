import { map, section } from './shape.ts'

const claimValue = {
  type: 'string',
  pattern: '^[^\\p{C}]{1,512}$',
  patternErrorMessage: 'must be text of 1 to 512 characters; true, false and numbers in quotes',
  examples: ['ai-users'],
} as const

/** Claims and the value that each must be, or contain. */
export const condition = (description: string, example: object) =>
  map(
    {
      description: `${description} A name that begins with \`/\` is a JSON Pointer (RFC 6901). A list contains its elements, \`scope\` and \`scp\` also the words of a text; true, false and numbers are written as text.`,
      pattern: '^[^\\p{C}]{1,256}$',
      names: 'a claim is 1 to 256 characters',
      examples: [example],
    },
    claimValue,
  )

export const projectId = {
  type: 'string',
  pattern: '^proj_[a-z0-9_]{1,64}$',
  patternErrorMessage: 'must be the id of a project, `proj_…`, as `ostiary projects list` prints it',
} as const

const list = (pattern: string, patternErrorMessage: string, description: string, example: string) =>
  ({
    type: 'array',
    items: { type: 'string', pattern, patternErrorMessage, examples: [example] },
    maxItems: 100,
    uniqueItems: true,
    description,
    examples: [[example]],
  }) as const

/** What tokens are given by what they say; a rule without `when` is for every token of the issuer. */
export const grantsSchema = {
  type: 'array',
  maxItems: 1000,
  default: [] as unknown,
  description:
    'What tokens may do, by what their claims say. Every rule that fits gives its scopes, roles and models; a token that none fits may do nothing.',
  examples: [[{ when: { scope: 'ai.chat' }, scopes: ['chat:create', 'models:read'], roles: ['developer'] }]],
  items: section(
    'One rule.',
    {
      when: condition('Claims that a token must have for this rule; none = every token.', { groups: 'ai-users' }),
      scopes: {
        ...list(
          '^[^\\s\\p{C}]{1,64}$',
          'must be a scope, such as `chat:create`',
          'Scopes of the gateway.',
          'chat:create',
        ),
        default: [] as unknown,
      },
      roles: {
        ...list(
          '^[a-z][a-z0-9-]{0,63}$',
          'must be 1 to 64 lower-case letters, digits and hyphens, a letter first',
          'Roles.',
          'developer',
        ),
        default: [] as unknown,
      },
      models: {
        ...list(
          '^[^\\s\\p{C}]{1,256}$',
          'must be a name or pattern of models: 1 to 256 characters without spaces',
          'Models, by the name that callers use; `*` stands for any characters. Where several rules fit, a token reaches the models that any of them names, for all that it may do; a rule that names none widens nothing.',
          'gpt-*',
        ),
        'x-default': 'those that other rules which fit name; all, if none does',
      },
    },
    ['models'],
  ),
} as const

/** Where tokens belong by what they say. */
export const projectsSchema = {
  type: 'array',
  maxItems: 1000,
  default: [] as unknown,
  description:
    'Projects, by what the claims of a token say: the first rule that fits decides. Where none does, `project` counts if it is set; else the token is refused.',
  examples: [[{ when: { department: 'research' }, project: 'proj_01jx2m3n4p5q6r7s8t9vwxyz01' }]],
  items: section(
    'One rule.',
    {
      when: condition('Claims that a token must have for this project.', { department: 'research' }),
      project: {
        ...projectId,
        description: 'Id of the project.',
        examples: ['proj_01jx2m3n4p5q6r7s8t9vwxyz01'],
      },
      environment: {
        type: 'string',
        enum: ['live', 'test'],
        'x-default': '`environment` of the issuer',
        description: 'Which models such callers reach.',
        examples: ['test'],
      },
    },
    ['environment'],
  ),
} as const
