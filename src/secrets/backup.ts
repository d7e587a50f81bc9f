import { createReadStream, createWriteStream, existsSync, readdirSync, rmSync, statSync } from 'node:fs'
import { mkdir, open, rename, rm } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { Problem } from '#core/problems.ts'
import type { Secret } from '#core/secret.ts'
import { lockDirectory } from '#store/sqlite/directory-lock.ts'
import { snapshotSqlite } from '#store/sqlite/snapshot.ts'
import { type ArchiveEntry, readArchive, writeArchive } from './archive.ts'
import { BOOTSTRAP_TOKEN_FILE, makeDataDirectory } from './data-directory.ts'
import { openStream, sealStream } from './sealed-stream.ts'

const DATABASE = 'ostiary.db'
const LOCK = /^lock(-journal)?$/
const SNAPSHOT = /^backup-(\d+)\.tmp$/
const RESTORING = 'restoring'
const MAX_KEY_FILE_BYTES = 1024 * 1024

interface BackupOptions {
  /** The data directory. */
  readonly directory: string
  readonly file: string
  readonly passphrase: Secret
  /** Whether SQLite’s database is to be in it: not where another database is used. */
  readonly withDatabase: boolean
}

/**
 * Writes a sealed copy of a data directory, beside a running gateway or without one: the database as it is at one
 * moment, and every key file, but not the operator’s token. Resolves to the names of what is in it.
 * Throws `backup.not_possible`, `store.unavailable`.
 */
export async function backUp({ directory, file, passphrase, withDatabase }: BackupOptions): Promise<readonly string[]> {
  if (existsSync(file))
    throw new Problem('backup.not_possible', { detail: `${file} exists already; choose a new name.` })
  const database = join(directory, DATABASE)
  if (!existsSync(join(directory, 'pepper')) || (withDatabase && !existsSync(database))) {
    throw new Problem('backup.not_possible', { detail: `There is no complete data directory at ${directory}.` })
  }
  removeAbandoned(directory)
  const snapshot = join(directory, `backup-${process.pid}.tmp`)
  const draft = `${file}.new`
  try {
    // Before and after: a key-encryption key that a row of the snapshot is under was there at one of the two times.
    const before = keyFiles(directory)
    if (withDatabase) snapshotSqlite(database, snapshot)
    const keys = new Map([...before, ...keyFiles(directory)].map(entry => [entry.name, entry]))
    const stored = withDatabase ? [{ name: DATABASE, file: snapshot, size: statSync(snapshot).size }] : []
    const entries = [...stored, ...keys.values()]
    const output = createWriteStream(draft, { flags: 'wx', mode: 0o600, flush: true })
    await pipeline(Readable.from(sealStream(writeArchive(entries), passphrase)), output)
    await rename(draft, file)
    await syncFolder(dirname(file))
    return entries.map(({ name }) => name)
  } catch (error) {
    await rm(draft, { force: true })
    throw error
  } finally {
    rmSync(snapshot, { force: true })
  }
}

/**
 * Brings a backup into an empty data directory: everything, or nothing if any of it does not open. Resolves to the names
 * of what was in it. Throws `backup.unreadable`, `backup.not_possible`, `start.data_directory_in_use`.
 */
export async function restore(options: Omit<BackupOptions, 'withDatabase'>): Promise<readonly string[]> {
  const { directory, file, passphrase } = options
  if (!existsSync(file)) throw new Problem('backup.not_possible', { detail: `There is no file ${file}.` })
  if (existsSync(directory) && readdirSync(directory).some(name => !LOCK.test(name))) {
    throw new Problem('backup.not_possible', {
      detail: `${directory} is not empty: a backup is restored beside nothing.`,
    })
  }
  makeDataDirectory(directory)
  using _lock = lockDirectory(directory)
  const draft = join(directory, RESTORING)
  await mkdir(draft, { mode: 0o700 })
  try {
    const names = await readArchive(openStream(createReadStream(file), passphrase), name => join(draft, name))
    // The database first: from then on a start asks for all of them, should this be cut off.
    const inOrder = names.toSorted((a, b) => Number(b === DATABASE) - Number(a === DATABASE))
    for (const name of inOrder) await rename(join(draft, name), join(directory, name))
    return names
  } finally {
    await rm(draft, { recursive: true, force: true })
    await syncFolder(directory)
  }
}

/** Whatever file lies in the directory and is not the database’s, the process’s own, or a draft. */
function keyFiles(directory: string): ArchiveEntry[] {
  return readdirSync(directory, { withFileTypes: true })
    .filter(entry => entry.isFile() && !isLeftOut(entry.name))
    .flatMap(({ name }) => {
      const file = join(directory, name)
      const { size } = statSync(file)
      if (size > MAX_KEY_FILE_BYTES) {
        throw new Problem('backup.not_possible', { detail: `${file} is larger than any key; move it elsewhere.` })
      }
      return [{ name, file, size }]
    })
}

function isLeftOut(name: string): boolean {
  return (
    name.startsWith(DATABASE) ||
    LOCK.test(name) ||
    name === BOOTSTRAP_TOKEN_FILE ||
    name.endsWith('.new') ||
    SNAPSHOT.test(name)
  )
}

/** Snapshots of processes that died over them. */
function removeAbandoned(directory: string): void {
  for (const name of readdirSync(directory)) {
    const pid = SNAPSHOT.exec(name)?.[1]
    if (pid !== undefined && !isRunning(Number(pid))) rmSync(join(directory, name), { force: true })
  }
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}

/** A name is in its folder’s data, which has a sync of its own. Windows cannot open folders. */
async function syncFolder(folder: string): Promise<void> {
  if (process.platform === 'win32') return
  const handle = await open(folder, 'r')
  await handle.sync()
  await handle.close()
}
