import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { findFault, LIST, type Mutation, readMutations } from './mutation-list.ts'

// Shows that the tests can fail: applies each mutation of test/mutations.md to a copy of the checkout, one at a time,
// and fails unless the test named there turns red. Arguments choose mutations by words of their titles.

const TEST_TIMEOUT_MS = 60_000
const RUN_TIMEOUT_MS = 90_000
const GROUPS = process.platform !== 'win32'

const chosen = process.argv.slice(2)
const all = readMutations()
const mutations = chosen.length === 0 ? all : all.filter(({ title }) => chosen.some(word => title.includes(word)))
if (mutations.length === 0) fail(`No mutation of ${LIST} has a title with ${chosen.join(' or ')}.`)
const [stale] = mutations.map(findFault).filter(fault => fault !== undefined)
if (stale !== undefined) fail(`${stale}; change ${LIST}.`)

/** Which tests are green without any mutation, each found out once. */
const unmutated = new Map<string, boolean>()
const copy = copyCheckout()
/** Ends the test under way. */
let running = () => {}
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.on(signal, () => {
    running()
    rmSync(copy, { recursive: true, force: true })
    process.exit(1)
  })
}
process.exitCode = 1
try {
  const survivors: Mutation[] = []
  for (const mutation of mutations) if (!(await turnsRed(mutation))) survivors.push(mutation)
  console.log(`\n${mutations.length - survivors.length} of ${mutations.length} mutations turned their test red.`)
  if (survivors.length === 0) process.exitCode = 0
  else console.log(`Survived:\n${survivors.map(({ title, test }) => `  ${title} (${test})`).join('\n')}`)
} finally {
  rmSync(copy, { recursive: true, force: true })
}

/** Everything that git knows or would know; the packages by a link. */
function copyCheckout(): string {
  const folder = mkdtempSync(join(tmpdir(), 'ostiary-mutations-'))
  const listed = execFileSync('git', ['ls-files', '-z', '--cached', '--others', '--exclude-standard'])
  for (const file of new Set(listed.toString().split('\0'))) {
    if (file === '' || !existsSync(file)) continue
    mkdirSync(join(folder, dirname(file)), { recursive: true })
    copyFileSync(file, join(folder, file))
  }
  for (const packages of ['node_modules', 'test/postgres/node_modules']) {
    if (existsSync(packages)) symlinkSync(resolve(packages), join(folder, packages), 'junction')
  }
  return folder
}

async function turnsRed({ title, source, test, only, search, replacement }: Mutation): Promise<boolean> {
  const started = performance.now()
  const file = join(copy, source)
  const original = readFileSync(file, 'utf8')
  const say = (verdict: string) =>
    console.log(`${verdict}  ${title} (${test}, ${((performance.now() - started) / 1000).toFixed(1)} s)`)
  const key = `${test} ${only}`
  if (!unmutated.has(key)) unmutated.set(key, await isGreen(test, only))
  if (unmutated.get(key) === false) {
    say('RED WITHOUT')
    return false
  }
  writeFileSync(
    file,
    original.replace(search, () => replacement),
  )
  const green = await isGreen(test, only)
  writeFileSync(file, original)
  say(green ? 'SURVIVED' : 'ok')
  return !green
}

/** Whether the tests pass in the copy as it is; one that does not come to its end does not. */
async function isGreen(test: string, only: string | undefined): Promise<boolean> {
  const pattern = only === undefined ? [] : ['--test-name-pattern', only]
  const options = ['--test', '--test-reporter=tap', `--test-timeout=${TEST_TIMEOUT_MS}`, ...pattern, test]
  // In a group of its own: a gateway that a mutation keeps from stopping must not outlive its test.
  const stdio = ['ignore', 'pipe', 'ignore'] as const
  const child = spawn(process.execPath, options, { cwd: copy, stdio: [...stdio], detached: GROUPS })
  const end = () => {
    if (child.exitCode !== null || child.pid === undefined) return
    if (GROUPS) process.kill(-child.pid, 'SIGKILL')
    else child.kill('SIGKILL')
  }
  running = end
  const late = setTimeout(end, RUN_TIMEOUT_MS)
  let output = ''
  child.stdout?.setEncoding('utf8').on('data', text => (output += text))
  const [code] = await once(child, 'exit')
  clearTimeout(late)
  // A pattern that fits no test would be green whatever is mutated.
  return code === 0 && /^# pass [1-9]/m.test(output)
}

function fail(message: string): never {
  console.error(message)
  process.exit(1)
}
