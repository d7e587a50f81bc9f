import type { CommandEntry } from './command.ts'
import { tableOptions, text } from './table-options.ts'

const { json } = tableOptions

/** `ostiary secrets` in the table of commands. */
export const secretsEntry = {
  summary: 'set, rotate and delete the secrets of the vault',
  example: 'ostiary secrets set openai < key.txt',
  commands: {
    set: {
      summary: 'take the value from standard input; what it was before is destroyed',
      operands: 'NAME',
      options: { json },
      example: 'ostiary secrets set openai < key.txt',
    },
    rotate: {
      summary: 'the same, and the value before stays valid for the grace',
      operands: 'NAME',
      options: { grace: text('1h|15m|0s', 'how long the value before stays valid (1h)'), json },
      example: 'ostiary secrets rotate openai --grace 1h < key.txt',
    },
    list: { summary: 'list secrets by name, without values', options: { json }, example: 'ostiary secrets list' },
    delete: {
      summary: 'delete a secret for good; refused while the configuration refers to it',
      operands: 'NAME',
      options: { json },
      example: 'ostiary secrets delete openai',
    },
    rewrap: {
      summary: 'bring every secret under a new key-encryption key, without a stop',
      options: { json },
      example: 'ostiary secrets rewrap',
    },
  },
  load: async () => (await import('./secrets.ts')).secretsCommand,
} as const satisfies CommandEntry
