import { createPrivateKey, createPublicKey, generateKeyPairSync, type KeyObject } from 'node:crypto'
import { chmodSync, existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { keyIdOf } from '#core/checkpoint.ts'
import { Problem } from '#core/problems.ts'
import { createFile } from './data-directory.ts'

const AUDIT_KEY_FILE = 'audit-key'

/** Signs checkpoints of the audit; Ed25519. */
export interface AuditKey {
  readonly id: string
  readonly privateKey: KeyObject
  readonly publicKey: KeyObject
}

/** Opens the key of a data directory that this process has locked; makes one where there is none (0600). */
export function openAuditKey(folder: string): AuditKey {
  const file = join(folder, AUDIT_KEY_FILE)
  if (!existsSync(file)) {
    const { privateKey } = generateKeyPairSync('ed25519')
    createFile(file, privateKey.export({ type: 'pkcs8', format: 'pem' }).toString().trim())
  }
  chmodSync(file, 0o600)
  return readAuditKey(folder)
}

/** Throws `start.data_directory_incomplete` where there is none. */
export function readAuditKey(folder: string): AuditKey {
  const file = join(folder, AUDIT_KEY_FILE)
  try {
    const privateKey = createPrivateKey(readFileSync(file))
    if (privateKey.asymmetricKeyType !== 'ed25519') throw new TypeError('is not an Ed25519 key')
    const publicKey = createPublicKey(privateKey)
    return { id: keyIdOf(publicKey), privateKey, publicKey }
  } catch (cause) {
    throw new Problem('start.data_directory_incomplete', { detail: `${file} does not hold the audit’s key`, cause })
  }
}
