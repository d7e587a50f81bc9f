import { changesWith, readsOf } from '#policy/cedar/reads.ts'
import { makeSchema } from '#policy/cedar/schema.ts'
import { parse } from './arguments.ts'
import type { Io } from './command.ts'
import { commandTable } from './command-table.ts'
import { loadPolicies } from './configured-policies.ts'
import { renderTable } from './table.ts'

const { check, list, schema } = commandTable.policy.commands

/** `ostiary policy check`. What is wrong is thrown, as a start throws it. */
export async function policyCheck(args: string[], io: Io): Promise<number> {
  const { json, ...choice } = parse(args, check.options).values
  const { policies } = loadPolicies(io, choice).open
  const [own, shipped] = [policies.filter(({ shipped }) => !shipped), policies.filter(({ shipped }) => shipped)]
  const text = `ok\npolicies: ${own.length} of your own, ${shipped.length} shipped\n`
  io.stdout.write(json ? `${JSON.stringify({ ok: true, own: own.length, shipped: shipped.length })}\n` : text)
  return 0
}

const DECIDED = { nothing: 'once', address: 'each address', call: 'each call' } as const

/** `ostiary policy list` */
export async function policyList(args: string[], io: Io): Promise<number> {
  const { json, ...choice } = parse(args, list.options).values
  const listed = loadPolicies(io, choice).open.policies.map(policy => {
    const { id, effect, file, line, shipped, shadow } = policy
    return { id, effect, file, line, shipped, shadow, decided: DECIDED[changesWith(readsOf(policy.json))] }
  })
  if (json) {
    io.stdout.write(`${JSON.stringify(listed, null, 2)}\n`)
    return 0
  }
  const rows = listed.map(({ id, effect, file, line, shipped, shadow, decided }) => [
    id,
    effect,
    shipped ? 'shipped' : `${file}:${line}`,
    shadow ? 'shadow' : 'enforced',
    decided,
  ])
  io.stdout.write(renderTable(['ID', 'EFFECT', 'FILE', 'STATE', 'DECIDED'], rows))
  return 0
}

/** `ostiary policy schema` */
export async function policySchema(args: string[], io: Io): Promise<number> {
  const choice = parse(args, schema.options).values
  io.stdout.write(makeSchema(loadPolicies(io, choice).open.vocabulary))
  return 0
}
