import { readdirSync, readFileSync, statSync } from 'node:fs'
import { join, resolve } from 'node:path'
import type { Faults } from './faults.ts'
import { showFile } from './show-file.ts'

/** Bounds of what is read: a folder that was named by mistake must not fill the memory. */
const MAX_FILES = 500
const MAX_BYTES = 1024 * 1024

interface PolicyFile {
  readonly file: string
  readonly text: string
  /** Its path, as it shall be shown. */
  readonly shown: string
}

/** What the `.cedar` files of a folder hold, in the order of their names. `named` = the configuration says that there is one. */
export function readPolicyFiles(folder: string, directory: string | undefined, faults: Faults): PolicyFile[] {
  const path = resolve(folder, directory ?? 'policies')
  const fault = (message: string) => faults.add(['policies', 'directory'], message)
  try {
    const files = readdirSync(path)
      .filter(name => name.endsWith('.cedar'))
      .sort()
    if (files.length > MAX_FILES) {
      fault(`has ${files.length} files of policies; at most ${MAX_FILES} are read`)
      return []
    }
    if (files.length === 0 && directory !== undefined) fault('has no file that ends in .cedar')
    return files.map(file => ({ file, text: readText(join(path, file)), shown: showFile(join(path, file)) }))
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException
    if (code === 'ENOENT' && directory === undefined) return []
    fault(`cannot be read: ${message}`)
    return []
  }
}

function readText(path: string): string {
  const { size } = statSync(path)
  if (size > MAX_BYTES) throw new Error(`${path} is larger than ${MAX_BYTES} bytes`)
  return new TextDecoder('utf-8', { fatal: true }).decode(readFileSync(path))
}
