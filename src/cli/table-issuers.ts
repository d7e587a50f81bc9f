import type { CommandEntry } from './command.ts'
import { tableOptions } from './table-options.ts'

const { json } = tableOptions

/** `ostiary issuers` in the table of commands. */
export const issuersEntry = {
  summary: 'list identity providers and their keys, and ask them what is wrong',
  example: 'ostiary issuers check company',
  commands: {
    list: { summary: 'list those of the configuration in effect', options: { json }, example: 'ostiary issuers list' },
    check: {
      summary: 'ask one anew: metadata, keys, algorithms, clock, weak settings',
      operands: 'NAME',
      options: { json },
      notes: 'Exit code 1 if something is wrong that has tokens refused or lets others make them.',
      example: 'ostiary issuers check company',
    },
  },
  load: async () => (await import('./issuers.ts')).issuersCommand,
} as const satisfies CommandEntry
