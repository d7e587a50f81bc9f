import { Problem } from '#core/problems.ts'
import { changesWith, readsOf } from '#policy/cedar/reads.ts'
import { makeSchema } from '#policy/cedar/schema.ts'
import { parse } from './arguments.ts'
import type { Io } from './command.ts'
import { commandTable } from './command-table.ts'
import { loadPolicies } from './configured-policies.ts'
import { printable } from './printable.ts'
import { renderTable } from './table.ts'

const { check, list, schema } = commandTable.policy.commands

/** `ostiary policy check`. What is wrong is thrown, as a start throws it, and with `--json` printed before. */
export async function policyCheck(args: string[], io: Io): Promise<number> {
  const { json, ...choice } = parse(args, check.options).values
  const { policies } = json ? loadOrPrint(io, choice) : loadPolicies(io, choice).open
  const [own, shipped] = [policies.filter(({ shipped }) => !shipped), policies.filter(({ shipped }) => shipped)]
  const text = `ok\npolicies: ${own.length} of your own, ${shipped.length} shipped\n`
  io.stdout.write(json ? `${JSON.stringify({ ok: true, own: own.length, shipped: shipped.length })}\n` : text)
  return 0
}

function loadOrPrint(io: Io, choice: Parameters<typeof loadPolicies>[1]) {
  try {
    return loadPolicies(io, choice).open
  } catch (error) {
    if (!(error instanceof Problem)) throw error
    io.stdout.write(`${JSON.stringify({ ok: false, faults: (error.detail ?? error.title).split('\n') })}\n`)
    throw error
  }
}

const DECIDED = { nothing: 'once', address: 'each address', call: 'each call' } as const

/** `ostiary policy list` */
export async function policyList(args: string[], io: Io): Promise<number> {
  const { json, ...choice } = parse(args, list.options).values
  const listed = loadPolicies(io, choice).open.policies.map(policy => {
    const { id, effect, file, line, shipped, shadow, description } = policy
    return { id, effect, file, line, shipped, shadow, decided: DECIDED[changesWith(readsOf(policy.json))], description }
  })
  if (json) {
    io.stdout.write(`${JSON.stringify(listed, null, 2)}\n`)
    return 0
  }
  const rows = listed.map(({ id, effect, file, line, shipped, shadow, decided, description }) => [
    id,
    effect,
    shipped ? 'shipped' : `${file}:${line}`,
    shadow ? 'shadow' : 'enforced',
    decided,
    description === null ? '' : printable(description),
  ])
  io.stdout.write(renderTable(['ID', 'EFFECT', 'FILE', 'STATE', 'DECIDED', 'DESCRIPTION'], rows))
  return 0
}

/** `ostiary policy schema` */
export async function policySchema(args: string[], io: Io): Promise<number> {
  const choice = parse(args, schema.options).values
  io.stdout.write(makeSchema(loadPolicies(io, choice).open.vocabulary))
  return 0
}
