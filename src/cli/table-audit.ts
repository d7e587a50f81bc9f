import type { CommandEntry } from './command.ts'
import { tableOptions, text, texts } from './table-options.ts'

const { json } = tableOptions
const filters = {
  from: text('TIME', 'only from then on, such as 2026-01-31 or 2026-01-31T12:00:00Z'),
  to: texts('TIME', 'only before then'),
  type: text('TYPE', 'only of this type, such as key.created'),
  key: text('ID', 'only of this key'),
  project: text('ID', 'only of this project'),
  id: text('ID', 'only the event of this id, which is the x-request-id of a call'),
  outcome: text('OUTCOME', 'only with this outcome, such as refused'),
} as const

/** `ostiary audit` in the table of commands. */
export const auditEntry = {
  summary: 'verify, follow and export the audit',
  notes: 'They read the database by themselves, beside a running gateway or without one.',
  example: 'ostiary audit verify --anchor /mnt/worm/ostiary-anchors.jsonl',
  commands: {
    verify: {
      summary: 'check every row and checkpoint; exits with 1 if anything is not as it was written',
      options: {
        anchor: text('FILE|FOLDER', 'the checkpoints that were kept elsewhere: proves what they cover'),
        key: texts('FILE', "public key, as 'ostiary audit key' prints it (the data directory's)"),
        json,
      },
      example: 'ostiary audit verify --anchor /mnt/worm/ostiary-anchors.jsonl',
    },
    tail: {
      summary: 'print the newest events',
      options: {
        count: text('N', 'how many (10)'),
        follow: { type: 'boolean', description: 'then each as it is written, until the command is ended' },
        ...filters,
        json: { ...json, description: 'print one line of JSON for each' },
      },
      example: 'ostiary audit tail --count 20',
    },
    export: {
      summary: 'print all events, oldest first',
      options: {
        format: text('jsonl|ocsf|syslog', 'how each is written (jsonl)'),
        ...filters,
        to: texts('TIME|tls://HOST:PORT', 'only before then; or send syslog there (RFC 5425)'),
        ca: text('FILE', 'certificates that the receiver’s may come from (those of the system)'),
      },
      example: 'ostiary audit export --format ocsf --outcome refused --from 2026-01-01',
    },
    key: {
      summary: 'print the public key that verifies checkpoints',
      example: 'ostiary audit key > audit.pem',
    },
  },
  load: async () => (await import('./audit.ts')).auditCommand,
} as const satisfies CommandEntry
