import type { CommandEntry } from './command.ts'
import { tableOptions } from './table-options.ts'

const { json } = tableOptions

/** `ostiary identity-keys` in the table of commands. */
export const identityKeysEntry = {
  summary: 'list and rotate the keys that sign who calls a service',
  example: 'ostiary identity-keys list',
  commands: {
    list: {
      summary: 'list them in the order in which they sign',
      options: { json },
      example: 'ostiary identity-keys list',
    },
    rotate: {
      summary: 'publish a new key, which signs a day from now',
      options: {
        now: {
          type: 'boolean',
          description: 'have it sign at once, and withdraw all others: where one is known to others',
        },
        json,
      },
      notes: `With --now a service that keeps the key set refuses calls until it asks for it again.`,
      example: 'ostiary identity-keys rotate',
    },
  },
  load: async () => (await import('./identity-keys.ts')).identityKeysCommand,
} as const satisfies CommandEntry
