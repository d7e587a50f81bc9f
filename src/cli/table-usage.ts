import type { CommandEntry } from './command.ts'
import { tableOptions, text } from './table-options.ts'

/** `ostiary usage` in the table of commands. */
export const usageEntry = {
  summary: 'show what calls used and cost',
  options: {
    from: text('TIME', 'since then, such as 2026-01-31 or 2026-01-31T12:00:00Z (the beginning of this month)'),
    to: text('TIME', 'only before then'),
    by: text(
      'NAME,…',
      'what is told apart: project, key, model, provider, environment, hour, day, month (project,model)',
    ),
    project: text('ID|NAME', 'only of this project'),
    key: text('ID', 'only of this key'),
    model: text('NAME', 'only of this model, as callers use its name'),
    provider: text('NAME', 'only of this provider'),
    environment: text('live|test', 'only of keys of this environment'),
    csv: { type: 'boolean', description: 'print CSV and nothing else' },
    json: tableOptions.json,
  },
  notes: 'Hours, days and months are those of UTC; a call counts in the hour in which it began.',
  example: 'ostiary usage --by day,model --from 2026-01-01 --csv > january.csv',
  load: async () => (await import('./usage.ts')).usageCommand,
} as const satisfies CommandEntry
