import type { Command, Io } from './command.ts'
import type { commandTable } from './command-table.ts'

const commands: Readonly<Record<keyof typeof commandTable.policy.commands, () => Promise<Command>>> = {
  check: async () => (await import('./policy-check.ts')).policyCheck,
  list: async () => (await import('./policy-check.ts')).policyList,
  schema: async () => (await import('./policy-check.ts')).policySchema,
  test: async () => (await import('./policy-test.ts')).policyTest,
  explain: async () => (await import('./policy-explain.ts')).policyExplain,
  replay: async () => (await import('./policy-replay.ts')).policyReplay,
}

/** `ostiary policy …`. */
export async function policyCommand([name, ...args]: string[], io: Io): Promise<number> {
  const command = await commands[name as keyof typeof commands]()
  return command(args, io)
}
