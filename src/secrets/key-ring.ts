import { createHash, randomBytes } from 'node:crypto'
import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { Problem } from '#core/problems.ts'
import { decrypt, encrypt, KEY_BYTES } from './aead.ts'
import { createFile, readSecret, removeFile } from './data-directory.ts'
import type { KeyWrapper } from './key-wrapper.ts'

const CURRENT_FILE = 'key-encryption-key'
const RETIRED_FILE = /^key-encryption-key\.([0-9a-f]{12})$/
export const KEK_VARIABLE = 'OSTIARY_KEY_ENCRYPTION_KEY'

/** The KEKs of the data directory and of the variable. */
export interface KeyRing extends KeyWrapper {
  /** Whether the KEK that wraps comes from the variable, so that this program cannot replace it. */
  readonly fromVariable: boolean
  /** Ids of earlier KEKs that lie in the data directory because something may be under them. */
  retired(): readonly string[]
  /** Makes a new KEK that wraps from now on; the one before is retired. What a crash leaves opens the same ring. */
  replace(): string
  /** Deletes a retired KEK for good. */
  remove(id: string): void
}

/**
 * Reads the KEKs. The variable has one or more, separated by commas: the first wraps, the others and those of the
 * directory open. Throws `config.invalid` for the variable, `start.data_directory_incomplete` for a file.
 */
export function openKeyRing(directory: string, env: Readonly<Record<string, string | undefined>>): KeyRing {
  const given = parseVariable(env[KEK_VARIABLE])
  const keys = new Map<string, Buffer>()
  const add = (key: Buffer) => {
    const id = kekIdOf(key)
    keys.set(id, key)
    return id
  }
  const retired = new Set<string>()
  for (const name of existsSync(directory) ? readdirSync(directory) : []) {
    const named = RETIRED_FILE.exec(name)?.[1]
    if (named === undefined) continue
    const id = add(readSecret(join(directory, name)))
    if (id !== named) {
      throw new Problem('start.data_directory_incomplete', {
        detail: `${name} holds another key than it is named for.`,
      })
    }
    retired.add(id)
  }
  const current = join(directory, CURRENT_FILE)
  const inFile = existsSync(current) ? add(readSecret(current)) : null
  for (const key of given) add(key)
  let currentId = given[0] === undefined ? inFile : kekIdOf(given[0])
  if (currentId === null) throw new Problem('start.data_directory_incomplete', { detail: `${current} is missing` })

  return {
    fromVariable: given.length > 0,
    get currentId() {
      return currentId as string
    },
    async wrap(dataKey, context) {
      const kekId = currentId as string
      return { kekId, wrapped: encrypt(keys.get(kekId) as Buffer, dataKey, contextOf(kekId, context)) }
    },
    async unwrap(kekId, wrapped, context) {
      const key = keys.get(kekId)
      if (key === undefined) {
        const detail = `It is sealed under the key-encryption key ${kekId.slice(0, 12)}, which is not here.`
        throw new Problem('secret.unreadable', { detail, reason: 'unknown_key' })
      }
      const dataKey = decrypt(key, wrapped, contextOf(kekId, context))
      if (dataKey === null) throw new Problem('secret.unreadable', { reason: 'changed' })
      return dataKey
    },
    retired: () => [...retired].filter(id => id !== currentId),
    replace() {
      const before = currentId as string
      const fresh = randomBytes(KEY_BYTES)
      // In this order, each durable: whatever a crash leaves, the key that rows are under is there under its name.
      createFile(join(directory, `${CURRENT_FILE}.${before}`), (keys.get(before) as Buffer).toString('base64url'))
      createFile(current, fresh.toString('base64url'))
      retired.add(before)
      currentId = add(fresh)
      return currentId
    },
    remove(id) {
      if (id === currentId || !retired.has(id)) throw new TypeError(`${id} is not a retired key`)
      removeFile(join(directory, `${CURRENT_FILE}.${id}`))
      retired.delete(id)
      keys.delete(id)
    },
  }
}

/** Names a KEK without telling it. */
function kekIdOf(key: Buffer): string {
  return createHash('sha256').update('ostiary key-encryption key\0').update(key).digest('hex').slice(0, 12)
}

function contextOf(kekId: string, context: string): string {
  return `${kekId}\0${context}`
}

function parseVariable(text: string | undefined): Buffer[] {
  if (text === undefined) return []
  return text.split(',').map(part => {
    if (!/^[\w-]{43}$/.test(part)) {
      throw new Problem('config.invalid', {
        detail: `${KEK_VARIABLE}: must be 32 random bytes in base64url (43 characters), or several of them separated by commas`,
      })
    }
    return Buffer.from(part, 'base64url')
  })
}
