import { readEvents } from '#audit/read-events.ts'
import { createReplay, type Replay } from '#policy/replay/replay.ts'
import { parse, readTime } from './arguments.ts'
import type { Io } from './command.ts'
import { commandTable } from './command-table.ts'
import { loadPolicies } from './configured-policies.ts'
import { openAudit } from './open-audit.ts'
import { printable } from './printable.ts'
import { renderTable } from './table.ts'

/** `ostiary policy replay`. Resolves to 1 if something would change and `--fail-on-change` is given, else 0. */
export async function policyReplay(args: string[], io: Io): Promise<number> {
  const { values } = parse(args, commandTable.policy.commands.replay.options)
  const { open } = loadPolicies(io, values)
  const { key, project } = values
  const filter = { type: 'call', from: readTime('--from', values.from), to: readTime('--to', values.to), key, project }
  const replay = createReplay(open)
  await using reader = await openAudit(io, { snapshot: true })
  for await (const event of readEvents(reader, filter)) if (event.type === 'call') replay.add(event)
  const result = replay.end()
  io.stdout.write(values.json ? renderJson(result) : render(result))
  return values['fail-on-change'] === true && result.changed > 0 ? 1 : 0
}

function render({ decided, changed, groups, ungrouped, undecided, missing }: Replay): string {
  const rows = groups.map(({ principal, action, resource, was, becomes, policiesWere, policies, error, ...group }) => [
    String(group.calls),
    printable(principal),
    action,
    printable(resource),
    `${was} → ${becomes}`,
    `${policiesWere.join(', ') || 'none'} → ${error !== null ? 'an error' : policies.join(', ') || 'none'}`,
    minuteOf(group.first),
    minuteOf(group.last),
  ])
  const head = ['CALLS', 'CALLER', 'ACTION', 'ON', 'WOULD BE', 'POLICIES', 'FIRST', 'LAST']
  const lines = [
    `${decided} calls were decided again, and ${changed} would be decided otherwise.`,
    ...(ungrouped > 0 ? [`${ungrouped} of these are of more groups than are listed.`] : []),
    ...(undecided > 0 ? [`${undecided} calls ended before policies were asked.`] : []),
    ...[...missing].map(([input, count]) => `${count} calls cannot be decided again: ${describeMissing(input)}.`),
  ]
  return `${rows.length === 0 ? '' : `${renderTable(head, rows)}\n`}${lines.join('\n')}\n`
}

function renderJson({ decided, changed, groups, ungrouped, undecided, missing }: Replay): string {
  const report = {
    decided,
    changed,
    undecided,
    not_decidable: Object.fromEntries(missing),
    ungrouped,
    groups: groups.map(({ policiesWere, first, last, ...group }) => ({
      ...group,
      policies_were: policiesWere,
      first: new Date(first).toISOString(),
      last: new Date(last).toISOString(),
    })),
  }
  return `${JSON.stringify(report, null, 2)}\n`
}

function describeMissing(input: string): string {
  return input === 'action'
    ? 'there is no such action any more'
    : `the policies look at ${input}, which is not on record`
}

function minuteOf(ms: number): string {
  return `${new Date(ms).toISOString().slice(0, 16).replace('T', ' ')} UTC`
}
