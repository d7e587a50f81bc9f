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
  writeSync,
} from 'node:fs'
import { join, resolve } from 'node:path'
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
  /** Path of the admin listener's first credential. */
  readonly bootstrapTokenFile: string
  readonly bootstrapToken: string
}

const SECRET_FILES = ['key-encryption-key', 'pepper', 'deployment-secret'] as const
export const BOOTSTRAP_TOKEN_FILE = 'bootstrap-token'

/**
 * Opens the data directory; makes it, with fresh secrets, where there is none (directory 0700, files 0600).
 * Throws `start.data_directory_incomplete` where a database stands without the secrets that its keys need.
 */
export function openDataDirectory(path: string): DataDirectory {
  mkdirSync(path, { recursive: true, mode: 0o700 })
  const database = join(path, 'ostiary.db')
  const inUse = existsSync(database)
  for (const name of SECRET_FILES) {
    const file = join(path, name)
    if (existsSync(file)) continue
    if (inUse) throw new Problem('start.data_directory_incomplete', { detail: `${name} is missing in ${path}` })
    createFile(file, randomBytes(32).toString('base64url'))
  }
  const bootstrapTokenFile = join(path, BOOTSTRAP_TOKEN_FILE)
  if (!existsSync(bootstrapTokenFile)) createFile(bootstrapTokenFile, `so_${randomBytes(32).toString('base64url')}`)
  const pepper = readSecret(join(path, 'pepper'))
  return {
    path,
    database,
    pepper,
    pepperId: createHash('sha256').update(pepper).digest('hex').slice(0, 12),
    deploymentSecret: readSecret(join(path, 'deployment-secret')),
    bootstrapTokenFile,
    bootstrapToken: readFileSync(bootstrapTokenFile, 'utf8').trim(),
  }
}

/** `OSTIARY_DATA_DIR`, else `.ostiary` below the working directory. */
export function findDataDirectory(env: Readonly<Record<string, string | undefined>>): string {
  return resolve(env.OSTIARY_DATA_DIR ?? '.ostiary')
}

/** Whole or not at all, also if the machine stops in between. */
function createFile(file: string, text: string): void {
  const draft = `${file}.new`
  const descriptor = openSync(draft, 'w', 0o600)
  writeSync(descriptor, `${text}\n`)
  fsyncSync(descriptor)
  closeSync(descriptor)
  chmodSync(draft, 0o600)
  renameSync(draft, file)
}

function readSecret(file: string): Buffer {
  const secret = Buffer.from(readFileSync(file, 'utf8').trim(), 'base64url')
  if (secret.length !== 32) {
    throw new Problem('start.data_directory_incomplete', { detail: `${file} does not hold 32 bytes in base64url` })
  }
  return secret
}
