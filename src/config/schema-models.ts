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
      maxOutputTokens: {
        type: 'integer',
        minimum: 1,
        maximum: 10_000_000,
        'x-default': 'none',
        description:
          'Most output that a call may ask for, in tokens. A call that asks for more is refused; one that says nothing is forwarded with this.',
        examples: [8192],
      },
      price: section(
        'What the provider charges, in US dollars a million tokens. It counts whole, in place of the shipped price: `input` and `output` are both needed. Without it the shipped price holds, if there is one.',
        {
          input: price('Input.', 1.25, 'none; needed'),
          cachedInput: price('Input that was read from the provider’s cache.', 0.125, 'as `input`'),
          cacheWrite: price(
            'Input that was written to the provider’s cache.',
            1.5625,
            'as `input`; of Claude models a quarter more',
          ),
          output: price('Output, reasoning included.', 10, 'none; needed'),
          request: price('Each call, in US dollars a call.', 0.01, 'nothing'),
        },
        ['input', 'cachedInput', 'cacheWrite', 'output', 'request'],
      ),
    },
    ['model', 'maxOutputTokens'],
  ),
)

function price<const N extends number>(what: string, example: N, otherwise: string) {
  return {
    type: 'number',
    minimum: 0,
    maximum: 1_000_000,
    'x-default': otherwise,
    description: what,
    examples: [example, 0],
  } as const
}
