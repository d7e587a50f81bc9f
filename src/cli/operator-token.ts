import { existsSync, readFileSync, statSync } from 'node:fs'
import { Problem } from '#core/problems.ts'
import { Secret } from '#core/secret.ts'
import { bootstrapTokenFile, findDataDirectory } from '#secrets/data-directory.ts'
import type { Io } from './command.ts'

/** The credential of a command, and where it came from. */
export interface OperatorToken {
  readonly secret: Secret
  readonly source: 'variable' | 'file' | 'bootstrap'
}

/**
 * `OSTIARY_TOKEN`, else the file that `OSTIARY_TOKEN_FILE` names, which must be its owner's alone, else the bootstrap
 * token of the data directory. Throws `cli.no_token`.
 */
export function findOperatorToken(env: Io['env']): OperatorToken {
  const { OSTIARY_TOKEN: text, OSTIARY_TOKEN_FILE: file } = env
  if (text !== undefined) return { secret: new Secret(text.trim()), source: 'variable' }
  if (file !== undefined) {
    refuseOpenFile(file)
    return { secret: readTokenFile(file), source: 'file' }
  }
  const bootstrap = bootstrapTokenFile(findDataDirectory(env))
  if (!existsSync(bootstrap)) {
    throw new Problem('cli.no_token', { detail: `Neither variable is set, and there is no ${bootstrap}.` })
  }
  return { secret: readTokenFile(bootstrap), source: 'bootstrap' }
}

function readTokenFile(file: string): Secret {
  try {
    return new Secret(readFileSync(file, 'utf8').trim())
  } catch (cause) {
    throw new Problem('cli.no_token', { detail: `${file} cannot be read: ${(cause as Error).message}`, cause })
  }
}

/** On Windows there are no modes to judge. */
function refuseOpenFile(file: string): void {
  const mode = process.platform === 'win32' ? 0 : (statSync(file, { throwIfNoEntry: false })?.mode ?? 0)
  if ((mode & 0o077) !== 0) {
    throw new Problem('cli.no_token', { detail: `${file} stands open to others: chmod 600 ${file}` })
  }
}
