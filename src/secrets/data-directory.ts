import { createHash, randomBytes } from 'node:crypto'
import {
  chmodSync,
  closeSync,
  existsSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  writeSync,
} from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { Problem } from '#core/problems.ts'

/** The files that make a deployment what it is, each made once and never replaced. */
export interface DataDirectory {
  readonly path: string
  /** SQLite's file; may not exist yet. */
  readonly database: string
  /** Under which stored keys are hashed; 32 bytes. */
  readonly pepper: Buffer
  /** Names the pepper without telling it. */
  readonly pepperId: string
  /** Under which keys are tagged, so that made-up ones are known at once; 32 bytes. */
  readonly deploymentSecret: Buffer
  /** Path of the admin listener's first credential; the file is there only while that is good. */
  readonly bootstrapTokenFile: string
}

const SECRET_FILES = ['key-encryption-key', 'pepper', 'deployment-secret'] as const
export const BOOTSTRAP_TOKEN_FILE = 'bootstrap-token'
const DATABASE_FILE = 'ostiary.db'
/** Holds nothing: where it is, the first start had come to the end of its secrets. */
const COMPLETE_FILE = 'complete'

/** Makes the folder where there is none, and closes it to everybody else (0700). Throws `start.data_directory_unusable`. */
export function makeDataDirectory(path: string): void {
  try {
    mkdirSync(path, { recursive: true, mode: 0o700 })
    // It may be there already, made by hand under a wider umask.
    chmodSync(path, 0o700)
  } catch (cause) {
    throw new Problem('start.data_directory_unusable', { detail: (cause as Error).message, cause })
  }
}

/**
 * Opens the files of a data directory that this process has locked; makes fresh ones (0600) where there are none yet.
 * Throws `start.data_directory_incomplete` where one alone is missing or damaged: the stored keys need them all.
 */
export function openDataDirectory(path: string): DataDirectory {
  const database = join(path, DATABASE_FILE)
  const tokenFile = bootstrapTokenFile(path)
  const complete = [join(path, COMPLETE_FILE), tokenFile, database].some(file => existsSync(file))
  for (const name of SECRET_FILES) {
    const file = join(path, name)
    if (!existsSync(file)) {
      if (complete) throw incomplete(`${name} is missing in ${path}`)
      createFile(file, randomBytes(32).toString('base64url'))
    }
    readSecret(file)
  }
  if (!existsSync(join(path, COMPLETE_FILE))) createFile(join(path, COMPLETE_FILE), '')
  const pepper = readSecret(join(path, 'pepper'))
  return {
    path,
    database,
    pepper,
    pepperId: createHash('sha256').update(pepper).digest('hex').slice(0, 12),
    deploymentSecret: readSecret(join(path, 'deployment-secret')),
    bootstrapTokenFile: tokenFile,
  }
}

/** `OSTIARY_DATA_DIR`, else `.ostiary` below the working directory. */
export function findDataDirectory(env: Readonly<Record<string, string | undefined>>): string {
  return resolve(env.OSTIARY_DATA_DIR ?? '.ostiary')
}

/** The path of SQLite's file where another process has the directory open; null = its first start has not got so far. */
export function locateDatabase(path: string): string | null {
  return existsSync(join(path, COMPLETE_FILE)) ? join(path, DATABASE_FILE) : null
}

/** Where the data directory keeps the bootstrap token while that is good. */
export function bootstrapTokenFile(path: string): string {
  return join(path, BOOTSTRAP_TOKEN_FILE)
}

/** Whole or not at all, and there for good once this returns, also if the machine stops. */
export function createFile(file: string, text: string): void {
  const draft = `${file}.new`
  const descriptor = openSync(draft, 'w', 0o600)
  writeSync(descriptor, `${text}\n`)
  fsyncSync(descriptor)
  closeSync(descriptor)
  chmodSync(draft, 0o600)
  renameSync(draft, file)
  syncFolder(file)
}

export function removeFile(file: string): void {
  rmSync(file)
  syncFolder(file)
}

/** A name is in its folder's data, which has a sync of its own. Windows cannot open folders. */
function syncFolder(file: string): void {
  if (process.platform === 'win32') return
  const folder = openSync(dirname(file), 'r')
  fsyncSync(folder)
  closeSync(folder)
}

/** Throws `start.data_directory_incomplete` for what is not 32 bytes in base64url. */
export function readSecret(file: string): Buffer {
  chmodSync(file, 0o600)
  const text = readFileSync(file, 'utf8').trim()
  if (!/^[\w-]{43}$/.test(text)) throw incomplete(`${file} does not hold 32 bytes in base64url`)
  return Buffer.from(text, 'base64url')
}

function incomplete(detail: string): Problem {
  return new Problem('start.data_directory_incomplete', { detail })
}
