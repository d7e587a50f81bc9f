import { callOperation } from './admin-client.ts'
import type { AdminOperations } from './admin-types.ts'
import { parse } from './arguments.ts'
import type { Command, Io } from './command.ts'
import { commandTable } from './command-table.ts'
import { renderTable } from './table.ts'

const { commands: described } = commandTable['identity-keys']
const commands: Readonly<Record<keyof typeof described, Command>> = { list, rotate }

/** `ostiary identity-keys …`. */
export async function identityKeysCommand([name, ...args]: string[], io: Io): Promise<number> {
  return commands[name as keyof typeof commands](args, io)
}

async function list(args: string[], io: Io): Promise<number> {
  const { json } = parse(args, described.list.options).values
  const { keys } = await callOperation(io, 'identityKeysList', {})
  show(keys, json, io)
  return 0
}

async function rotate(args: string[], io: Io): Promise<number> {
  const { now = false, json } = parse(args, described.rotate.options).values
  const { keys } = await callOperation(io, 'identityKeysRotate', { body: { immediately: now } })
  show(keys, json, io)
  return 0
}

type Listed = AdminOperations['identityKeysList']['answer']['keys']

function show(keys: Listed, json: boolean | undefined, io: Io): void {
  const rows = keys.map(({ kid, state, published_at: publishedAt, signs_from: signsFrom }) => [
    kid,
    state,
    minute(publishedAt),
    minute(signsFrom),
  ])
  io.stdout.write(
    json ? `${JSON.stringify(keys, null, 2)}\n` : renderTable(['KID', 'STATE', 'PUBLISHED', 'SIGNS FROM'], rows),
  )
}

function minute(time: string): string {
  return `${time.slice(0, 16).replace('T', ' ')} UTC`
}
