import { spawnSync } from 'node:child_process'
import { join } from 'node:path'

/** What `npm run check` runs, in the order of cost; the first failure ends it. */
const steps: readonly (readonly [name: string, bin: string | null, ...args: string[]])[] = [
  ['format, lint, layers', 'biome', 'ci', '--colors=off', '--error-on-warnings', '.'],
  ['types', 'tsc'],
  ['unused code', 'knip'],
  ['generated files', null, 'scripts/generate.ts', '--check'],
]

for (const [name, bin, ...args] of steps) {
  const started = performance.now()
  const program = bin === null ? process.execPath : join('node_modules', '.bin', bin)
  const { status } = spawnSync(program, args, { stdio: 'inherit', shell: process.platform === 'win32' && bin !== null })
  const seconds = ((performance.now() - started) / 1000).toFixed(1)
  console.log(`${status === 0 ? 'ok' : 'FAILED'}  ${name} (${seconds} s)`)
  if (status !== 0) process.exit(1)
}
