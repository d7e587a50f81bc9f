import { map, section } from './shape.ts'

/** Names callers may give as `model`. Cross-checks (the provider exists, a pattern has no `model`) are in rules.ts. */
export const modelsSchema = map(
  {
    description:
      'Models callers may name. The longest matching name wins; a name may end in one `*`, and `*` alone, in quotes, matches every name.',
    pattern: '^(\\*|[A-Za-z0-9][A-Za-z0-9._:/@-]{0,127}\\*?)$',
    names:
      'a model name is 1 to 128 letters, digits and `._:/@-`, a letter or digit first, with at most one `*` at its end',
    examples: [{ fast: { provider: 'openai', model: 'gpt-5-mini' }, 'claude-*': { provider: 'anthropic' } }],
  },
  section(
    'One model or family of models.',
    {
      provider: {
        type: 'string',
        pattern: '^[a-z][a-z0-9-]{0,31}$',
        patternErrorMessage: 'must be the name of a provider',
        description: 'Name of the provider that serves it.',
        examples: ['openai'],
      },
      model: {
        type: 'string',
        pattern: '^[A-Za-z0-9][A-Za-z0-9._:/@-]{0,127}$',
        patternErrorMessage: 'must be a model name: 1 to 128 letters, digits and `._:/@-`, a letter or digit first',
        'x-default': 'the name itself',
        description: 'The provider’s name of the model. Not allowed where the name ends in `*`.',
        examples: ['gpt-5-mini'],
      },
    },
    ['model'],
  ),
)
