// What stands behind `npm start`, `npm test` and the other scripts: installs what is missing, then runs the command
// on the Node that package-lock.json pins. Plain JavaScript, because it must run on any Node from 20 on.
import { spawn, spawnSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = join(dirname(fileURLToPath(import.meta.url)), '..')

const commands = {
  start: { needs: 'run', run: ['src/main.ts', 'start'] },
  check: { needs: 'develop', run: ['scripts/check.ts'] },
  test: { needs: 'develop', run: ['scripts/test.ts'] },
  mutations: { needs: 'develop', run: ['scripts/mutations.ts'] },
  soak: { needs: 'develop', run: ['scripts/test.ts', '--soak'] },
  bench: { needs: 'develop', run: ['bench/run.ts'] },
  pack: { needs: 'develop', run: ['scripts/pack.ts'] },
  generate: { needs: 'develop', run: ['scripts/generate.ts'] },
}

/** Installs the locked packages if any that this command needs is missing or has another version. */
export function install(needs) {
  if (isInstalled(needs)) return
  console.error(`Installing packages (npm ci${needs === 'run' ? ' --omit=dev' : ''}) …`)
  const options = ['ci', '--no-audit', '--no-fund', '--loglevel=error', ...(needs === 'run' ? ['--omit=dev'] : [])]
  const npm = process.env.npm_execpath
  const result = npm?.endsWith('.js')
    ? spawnSync(process.execPath, [npm, ...options], { cwd: root, stdio: ['ignore', 2, 2] })
    : spawnSync('npm', options, { cwd: root, stdio: ['ignore', 2, 2], shell: process.platform === 'win32' })
  if (result.status !== 0) {
    console.error('The packages could not be installed: see npm’s message above.')
    process.exit(1)
  }
}

function isInstalled(needs) {
  const installed = readLock(join(root, 'node_modules', '.package-lock.json'))
  if (installed === undefined) return false
  const wanted = readLock(join(root, 'package-lock.json')) ?? {}
  return Object.entries(wanted).every(
    ([path, entry]) =>
      path === '' ||
      entry.optional === true ||
      (needs === 'run' && (entry.dev === true || entry.devOptional === true)) ||
      installed[path]?.version === entry.version,
  )
}

function readLock(path) {
  return existsSync(path) ? JSON.parse(readFileSync(path, 'utf8')).packages : undefined
}

/** Path of the pinned Node; else the running one, if it is new enough to run TypeScript. */
export function findNode() {
  const pinned = join(root, 'node_modules', '.bin', process.platform === 'win32' ? 'node.cmd' : 'node')
  if (existsSync(pinned)) return pinned
  if (Number(process.versions.node.split('.')[0]) >= 24) return process.execPath
  console.error(`Ostiary needs Node 24 or later here: no packaged Node exists for ${process.platform}-${process.arch}.`)
  process.exit(1)
}

/** Runs one program in this one's place: signals go through, and its end is ours. */
export function runInPlace(args, options = {}) {
  const child = spawn(findNode(), args, { stdio: 'inherit', ...options })
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal))
  // npm passes a signal to the shell between us, which dies of it and passes nothing on.
  const parent = process.ppid
  setInterval(() => process.ppid !== parent && child.kill('SIGTERM'), 500).unref()
  child.on('exit', (code, signal) => process.exit(code ?? (signal === 'SIGINT' ? 130 : 143)))
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const name = process.argv[2]
  const command = commands[name]
  if (command === undefined) {
    console.error(`Usage: node scripts/run.mjs ${Object.keys(commands).join('|')}`)
    process.exit(2)
  }
  install(command.needs)
  runInPlace(
    [...command.run.map((part, i) => (i === 0 ? join(root, part) : part)), ...process.argv.slice(3)],
    name === 'start' ? {} : { cwd: root },
  )
}
