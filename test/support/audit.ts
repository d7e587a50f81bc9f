import { runCli } from './process.ts'

/** What `ostiary audit verify --json` says. */
export interface Verified {
  readonly code: number
  readonly result: 'proved' | 'consistent' | 'tampered'
  readonly proved_until: string | null
  readonly checkpoint: { readonly seq: number } | null
  readonly events: number
  readonly chains: readonly { readonly chain: string; readonly events: number; readonly unsigned_rows: number }[]
  readonly findings: readonly { readonly chain: string; readonly seq: number; readonly what: string }[]
}

export async function verifyAudit(env: Readonly<Record<string, string>>, ...args: string[]): Promise<Verified> {
  const { code, stdout, stderr } = await runCli(env, 'audit', 'verify', '--json', ...args)
  if (stdout === '') throw new Error(stderr)
  return { code, ...JSON.parse(stdout) }
}

/** Everything that was recorded, as `ostiary audit export` has it. */
export async function exportAudit(env: Readonly<Record<string, string>>, ...args: string[]) {
  const { code, stdout, stderr } = await runCli(env, 'audit', 'export', ...args)
  if (code !== 0) throw new Error(stderr)
  const lines = stdout.split('\n').slice(0, -1)
  return lines.map(line => JSON.parse(line) as { readonly type: string; readonly id: string } & Record<string, unknown>)
}
