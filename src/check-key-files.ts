import type { Config } from '#config/schema.ts'
import { Problem } from '#core/problems.ts'
import { readKeyFile } from '#issuers/keys/key-file.ts'
import type { KeySetReading } from '#issuers/keys/read-key-set.ts'
import { KeysNotHad } from '#issuers/review/finding.ts'

/** Throws `config.invalid` where a file with keys of an issuer holds none. */
export function checkKeyFiles({ issuers }: Config): void {
  for (const [name, { jwksFile }] of Object.entries(issuers)) if (jwksFile !== undefined) readKeysOf(name, jwksFile)
}

/** The keys of an issuer in a file. Throws `config.invalid`. */
export function readKeysOf(issuer: string, file: string): KeySetReading {
  try {
    return readKeyFile(file)
  } catch (error) {
    if (!(error instanceof KeysNotHad)) throw error
    throw new Problem('config.invalid', { detail: `issuers.${issuer}.jwksFile: ${error.message}` })
  }
}
