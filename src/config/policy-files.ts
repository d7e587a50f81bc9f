import { lstatSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { join, resolve } from 'node:path'
import type { Faults } from './faults.ts'

/** Bounds of what is read: a folder that was named by mistake must not fill the memory. */
const MAX_FILES = 500
const MAX_BYTES = 1024 * 1024
/** Of what is looked at in the folders within. */
const MAX_LOOKED_AT = 10_000

interface PolicyFile {
  readonly file: string
  readonly text: string
}

/**
 * What the `.cedar` files of a folder hold, in the order of their names; `directory` as it is configured. Only where there is
 * no folder at all in the usual place there are none: whatever else cannot be read is a fault, and so is a file that
 * looks like policies and would not be read. Hidden files (a dot first) are no one's policies: editors and volumes make them.
 */
export function readPolicyFiles(folder: string, directory: string | undefined, faults: Faults): PolicyFile[] {
  const path = resolve(folder, directory ?? 'policies')
  const fault = (message: string) => faults.add(['policies', 'directory'], message)
  const attempt = <T>(what: string, read: () => T): T | undefined => {
    try {
      return read()
    } catch (error) {
      fault(`${what}cannot be read${why(error)}`)
      return undefined
    }
  }
  const names = attempt('', () => (directory === undefined && isAbsent(path) ? [] : listVisible(path)))
  if (names === undefined) return []
  const files = names.filter(name => name.endsWith('.cedar'))
  if (files.length > MAX_FILES) {
    fault(`has ${files.length} files of policies; at most ${MAX_FILES} are read`)
    return []
  }
  if (files.length === 0 && directory !== undefined) fault('has no file that ends in .cedar')
  const others = names.filter(name => !files.includes(name))
  for (const name of others.filter(looksLikePolicies)) fault(`${name} would not be read: its name must end in .cedar`)
  for (const name of attempt('', () => findWithin(path, others)) ?? [])
    fault(`${name} would not be read: policies are read from the folder itself, not from folders within`)
  return files.flatMap(file => {
    const text = attempt(`${file} `, () => readText(join(path, file)))
    return text === undefined ? [] : [{ file, text }]
  })
}

/** Whether there is nothing of this name; a link that leads nowhere is something. */
function isAbsent(path: string): boolean {
  return lstatSync(path, { throwIfNoEntry: false }) === undefined
}

function listVisible(path: string): string[] {
  return readdirSync(path)
    .filter(name => !name.startsWith('.'))
    .sort()
}

/** `.CEDAR`, and the ending that some editors add. */
function looksLikePolicies(name: string): boolean {
  return /\.cedar(\.txt)?$/i.test(name)
}

/** What looks like policies in folders within, whatever their depth, by its path below `path`. */
function findWithin(path: string, names: readonly string[]): string[] {
  const found: string[] = []
  const waiting = [...names]
  let lookedAt = 0
  for (let name = waiting.shift(); name !== undefined; name = waiting.shift()) {
    if (++lookedAt > MAX_LOOKED_AT) throw new Error(`more than ${MAX_LOOKED_AT} files in folders within`)
    const isWithin = name.includes('/')
    if (statSync(join(path, name), { throwIfNoEntry: false })?.isDirectory())
      for (const below of listVisible(join(path, name))) waiting.push(`${name}/${below}`)
    else if (isWithin && looksLikePolicies(name)) found.push(name)
  }
  return found
}

function readText(path: string): string {
  const stat = statSync(path)
  if (!stat.isFile()) throw new Error('it is no file')
  if (stat.size > MAX_BYTES) throw new Error(`it is larger than ${MAX_BYTES} bytes`)
  return new TextDecoder('utf-8', { fatal: true }).decode(readFileSync(path))
}

function why(error: unknown): string {
  const { code, message } = error as NodeJS.ErrnoException
  if (code === 'ERR_ENCODING_INVALID_ENCODED_DATA') return ': it is not UTF-8'
  if (code === 'ENOENT') return ': it is not there, or a link to what is not there'
  return code === undefined ? `: ${message}` : ` (${code})`
}
