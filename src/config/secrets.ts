import { readFileSync, statSync } from 'node:fs'
import { resolve } from 'node:path'
import { Secret } from '#core/secret.ts'
import type { SecretReference } from './complete.ts'
import type { Faults } from './faults.ts'
import type { Environment } from './variables.ts'

const MAX_BYTES = 64 * 1024

/** The values behind the references of a configuration. Kept apart from it, so that a printed configuration holds none. */
export class SecretValues {
  readonly #values: ReadonlyMap<string, Secret>

  constructor(values: ReadonlyMap<string, Secret>) {
    this.#values = values
  }

  /** `reference` as the configuration has it, such as `env:OPENAI_API_KEY`. */
  get(reference: string): Secret {
    const value = this.#values.get(reference)
    if (value === undefined) throw new TypeError('The reference is not of this configuration')
    return value
  }

  references(): string[] {
    return [...this.#values.keys()]
  }

  /** In the clear, for a thread of this process: a `Secret` does not survive a structured clone. */
  toTransferable(): [reference: string, value: string][] {
    return [...this.#values].map(([reference, secret]) => [reference, secret.reveal()])
  }

  static fromTransferable(entries: readonly (readonly [reference: string, value: string])[]): SecretValues {
    return new SecretValues(new Map(entries.map(([reference, value]) => [reference, new Secret(value)])))
  }
}

/** Reads what the references mean; relative paths are below `folder`. */
export function resolveSecrets(
  references: readonly SecretReference[],
  env: Environment,
  folder: string,
  faults: Faults,
): SecretValues {
  const values = new Map<string, Secret>()
  for (const { path, text, check } of references) {
    const fault = (message: string) => faults.add(path, message)
    const target = text.slice(text.indexOf(':') + 1)
    const value = text.startsWith('env:') ? readVariable(target, env, fault) : readSecretFile(target, folder, fault)
    if (value === undefined) continue
    if (value === '') fault(`${text} is empty`)
    // Credentials travel in headers and URLs; anything else than visible ASCII there is a paste gone wrong.
    else if (!/^[\x21-\x7e]+$/.test(value))
      fault(`${text} contains a space, a line break or a character that is not ASCII`)
    else {
      const wrong = check?.(value)
      if (wrong === undefined) values.set(text, new Secret(value))
      else fault(`${text} ${wrong}`)
    }
  }
  return new SecretValues(values)
}

function readVariable(name: string, env: Environment, fault: (message: string) => void): string | undefined {
  const value = env[name]
  if (value === undefined) fault(`the variable ${name} is not set`)
  return value
}

function readSecretFile(path: string, folder: string, fault: (message: string) => void): string | undefined {
  try {
    const file = resolve(folder, path)
    const { mode, size } = statSync(file)
    if ((mode & 0o170000) !== 0o100000) return void fault(`file:${path} is not a regular file`)
    if (size > MAX_BYTES) return void fault(`file:${path} is larger than 64 KiB`)
    if (process.platform !== 'win32' && (mode & 0o004) !== 0) {
      return void fault(`file:${path} may be read by every user of this machine; run chmod o= on it`)
    }
    return readFileSync(file, 'utf8').replace(/\r?\n$/, '')
  } catch (error) {
    return void fault(`file:${path} cannot be read (${(error as NodeJS.ErrnoException).code})`)
  }
}
