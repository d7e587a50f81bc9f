import { chmodSync, existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { createFile } from './data-directory.ts'

/** The file of a locked data directory that holds the keys of identity tokens (0600). */
export interface IdentityKeyFile {
  /** null = there is none yet. */
  read(): string | null
  /** Whole or not at all, and there for good once it returns. */
  write(text: string): void
}

export function openIdentityKeyFile(folder: string): IdentityKeyFile {
  const file = join(folder, 'identity-keys')
  return {
    read() {
      if (!existsSync(file)) return null
      chmodSync(file, 0o600)
      return readFileSync(file, 'utf8')
    },
    write: text => createFile(file, text),
  }
}
