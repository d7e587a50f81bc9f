import { map, section } from './shape.ts'

/** What the policies are made of. The policies themselves are files in Cedar’s language. */
export const policiesSchema = section(
  'Who may do what beyond the ceilings of their credential: policies in Cedar’s language, which are added to the shipped ones. What no policy permits is refused, and what one forbids no other can permit.',
  {
    directory: {
      type: 'string',
      pattern: '^[^\\p{C}]{1,1024}$',
      patternErrorMessage: 'must be the path of a folder',
      'x-default': '`policies` beside the file, if there is one',
      description:
        'Folder of your policies: every file in it that ends in `.cedar`, but for hidden ones (a dot first). A path is relative to the file.',
      examples: ['policies'],
    },
    roles: {
      type: 'array',
      items: {
        type: 'string',
        pattern: '^[a-z][a-z0-9-]{0,63}$',
        patternErrorMessage: 'must be 1 to 64 lower-case letters, digits and hyphens, a letter first',
      },
      maxItems: 200,
      uniqueItems: true,
      default: [] as unknown,
      description:
        'Roles of your own that keys may have, beside the shipped `viewer`, `developer`, `admin`, `owner` and `auditor`. Roles that `grants` of an issuer give need not stand here.',
      examples: [['editor']],
    },
    modelGroups: map(
      {
        description: 'Groups of models, which policies name as `Ostiary::ModelGroup::"…"`.',
        pattern: '^[a-z][a-z0-9-]{0,63}$',
        names: 'a group’s name is 1 to 64 lower-case letters, digits and hyphens, a letter first',
        examples: [{ cheap: ['gpt-5-mini', 'claude-haiku-*'] }],
      },
      {
        type: 'array',
        description: 'Models, by the name that callers use; `*` stands for any characters.',
        items: {
          type: 'string',
          pattern: '^[^\\s\\p{C}]{1,256}$',
          patternErrorMessage: 'must be a name or pattern of models: 1 to 256 characters without spaces',
        },
        maxItems: 1000,
        uniqueItems: true,
        examples: [['gpt-5-mini', 'claude-haiku-*']],
      } as const,
    ),
  },
  ['directory'],
)
