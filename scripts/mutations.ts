import { execFileSync, spawnSync } from 'node:child_process'
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

// Shows that the tests can fail: applies each mutation of test/mutations.md to a copy of the checkout, one at a time,
// and fails unless the test named there turns red. Arguments choose mutations by words of their titles.

interface Mutation {
  readonly title: string
  readonly source: string
  readonly test: string
  /** Words of the names of the tests meant; undefined = all of the file. */
  readonly only: string | undefined
  readonly search: string
  readonly replacement: string
}

const LIST = 'test/mutations.md'
const TEST_TIMEOUT_MS = 60_000

const chosen = process.argv.slice(2)
const all = parseMutations(readFileSync(LIST, 'utf8'))
const mutations = chosen.length === 0 ? all : all.filter(({ title }) => chosen.some(word => title.includes(word)))
if (mutations.length === 0) fail(`No mutation of ${LIST} has a title with ${chosen.join(' or ')}.`)
for (const { title, source, search } of mutations) {
  const found = readFileSync(source, 'utf8').split(search).length - 1
  if (found !== 1) fail(`${title}: its text stands ${found} times in ${source}; change ${LIST}.`)
}

/** Which tests are green without any mutation, each found out once. */
const unmutated = new Map<string, boolean>()
const copy = copyCheckout()
process.exitCode = 1
try {
  const survivors = mutations.filter(mutation => !turnsRed(mutation))
  console.log(`\n${mutations.length - survivors.length} of ${mutations.length} mutations turned their test red.`)
  if (survivors.length === 0) process.exitCode = 0
  else console.log(`Survived:\n${survivors.map(({ title, test }) => `  ${title} (${test})`).join('\n')}`)
} finally {
  rmSync(copy, { recursive: true, force: true })
}

function parseMutations(text: string): Mutation[] {
  return text
    .split(/^### /m)
    .slice(1)
    .map(section => {
      const title = section.slice(0, section.indexOf('\n'))
      const [, source, test, only] = /^`([^`]+)` → `([^`]+)`(?: "([^"]+)")?$/m.exec(section) ?? []
      const lines = /^```diff\n(.*?)^```$/ms.exec(section)?.[1]?.split('\n') ?? []
      const search = sideOf(lines, '-')
      if (source === undefined || test === undefined || search === '')
        fail(`${title}: is not of the form that ${LIST} names.`)
      return { title, source, test, only, search, replacement: sideOf(lines, '+') }
    })
}

function sideOf(lines: readonly string[], sign: '-' | '+'): string {
  return lines
    .filter(line => line.startsWith(sign))
    .map(line => line.slice(1))
    .join('\n')
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

function turnsRed({ title, source, test, only, search, replacement }: Mutation): boolean {
  const started = performance.now()
  const file = join(copy, source)
  const original = readFileSync(file, 'utf8')
  const say = (verdict: string) =>
    console.log(`${verdict}  ${title} (${test}, ${((performance.now() - started) / 1000).toFixed(1)} s)`)
  const key = `${test} ${only}`
  if (!unmutated.has(key)) unmutated.set(key, isGreen(test, only))
  if (unmutated.get(key) === false) {
    say('RED WITHOUT')
    return false
  }
  writeFileSync(
    file,
    original.replace(search, () => replacement),
  )
  const green = isGreen(test, only)
  writeFileSync(file, original)
  say(green ? 'SURVIVED' : 'ok')
  return !green
}

/** Whether the tests pass in the copy as it is. */
function isGreen(test: string, only: string | undefined): boolean {
  const pattern = only === undefined ? [] : ['--test-name-pattern', only]
  const options = ['--test', '--test-reporter=tap', `--test-timeout=${TEST_TIMEOUT_MS}`, ...pattern, test]
  const { status, stdout } = spawnSync(process.execPath, options, { cwd: copy, encoding: 'utf8', maxBuffer: 2 ** 28 })
  // A pattern that fits no test would be green whatever is mutated.
  return status === 0 && /^# pass [1-9]/m.test(stdout) && !/^# tests 0$/m.test(stdout)
}

function fail(message: string): never {
  console.error(message)
  process.exit(1)
}
