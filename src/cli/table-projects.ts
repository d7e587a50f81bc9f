import type { CommandEntry } from './command.ts'
import { needed, tableOptions, text, texts } from './table-options.ts'

const { json } = tableOptions
const settings = {
  description: text('TEXT', 'what it is for'),
  cidr: texts('CIDR,…|all', 'addresses that its keys and tokens may be used from, such as 10.0.0.0/8'),
  'deny-cidr': texts('CIDR,…|none', 'addresses that they may not be used from, whatever else allows them'),
  metadata: texts('NAME=VALUE', 'what you want to keep beside it; none'),
} as const

/** `ostiary projects` in the table of commands. */
export const projectsEntry = {
  summary: 'create, change and delete projects, to which keys belong',
  example: 'ostiary projects create --name checkout --metadata team=payments',
  commands: {
    create: {
      summary: 'make a project',
      options: { name: needed('NAME', 'small letters, digits, - and .'), ...settings, json },
      example: 'ostiary projects create --name checkout --metadata team=payments',
    },
    list: { summary: 'list projects by name', options: { json }, example: 'ostiary projects list' },
    show: {
      summary: 'show a project',
      operands: 'ID|NAME',
      options: { json },
      example: 'ostiary projects show checkout',
    },
    update: {
      summary: 'change what is named of a project, and nothing else',
      operands: 'ID|NAME',
      options: { name: text('NAME', 'its new name'), ...settings, json },
      example: "ostiary projects update checkout --description 'the shop'",
    },
    delete: {
      summary: 'delete a project whose keys are all revoked, and them with it',
      operands: 'ID|NAME',
      options: { json },
      example: 'ostiary projects delete checkout',
    },
  },
  load: async () => (await import('./projects.ts')).projectsCommand,
} as const satisfies CommandEntry
