import { readFileSync, statSync } from 'node:fs'
import { resolve } from 'node:path'
import { Secret } from '#core/secret.ts'
import type { SecretReference } from './complete.ts'
import type { Faults } from './faults.ts'
import type { Environment } from './variables.ts'

const MAX_BYTES = 64 * 1024

/** What is behind one reference. */
export interface SecretValue {
  readonly secret: Secret
  /** The value before it, where it is still valid: until when, in ms since the epoch. */
  readonly previous: { readonly secret: Secret; readonly until: number } | null
}

/** The same in the clear, for a thread of this process: a `Secret` does not survive a structured clone. */
interface TransferableValue {
  readonly reference: string
  readonly value: string
  readonly previous: { readonly value: string; readonly until: number } | null
}

/** The values behind the references of a configuration. Kept apart from it, so that a printed configuration holds none. */
export class SecretValues {
  readonly #values: ReadonlyMap<string, SecretValue>

  constructor(values: ReadonlyMap<string, SecretValue>) {
    this.#values = values
  }

  /** `reference` as the configuration has it, such as `env:OPENAI_API_KEY`. */
  get(reference: string): Secret {
    return this.#find(reference).secret
  }

  /** The value before it while a rotation lasts, else null. */
  previous(reference: string): SecretValue['previous'] {
    return this.#find(reference).previous
  }

  #find(reference: string): SecretValue {
    const value = this.#values.get(reference)
    if (value === undefined) throw new TypeError('The reference is not of this configuration')
    return value
  }

  references(): string[] {
    return [...this.#values.keys()]
  }

  /** These values, and in their place or beside them the ones given. */
  with(values: ReadonlyMap<string, SecretValue>): SecretValues {
    return new SecretValues(new Map([...this.#values, ...values]))
  }

  toTransferable(): TransferableValue[] {
    return [...this.#values].map(([reference, { secret, previous }]) => ({
      reference,
      value: secret.reveal(),
      previous: previous && { value: previous.secret.reveal(), until: previous.until },
    }))
  }

  static fromTransferable(entries: readonly TransferableValue[]): SecretValues {
    return new SecretValues(
      new Map(
        entries.map(({ reference, value, previous }) => [
          reference,
          {
            secret: new Secret(value),
            previous: previous && { secret: new Secret(previous.value), until: previous.until },
          },
        ]),
      ),
    )
  }
}

/** Reads what `env:` and `file:` references mean; relative paths are below `folder`. */
export function resolveSecrets(
  references: readonly SecretReference[],
  env: Environment,
  folder: string,
  faults: Faults,
): SecretValues {
  const values = new Map<string, SecretValue>()
  for (const reference of references) {
    const { path, text } = reference
    const fault = (message: string) => faults.add(path, message)
    const target = text.slice(text.indexOf(':') + 1)
    const value = text.startsWith('env:') ? readVariable(target, env, fault) : readSecretFile(target, folder, fault)
    if (value === undefined) continue
    const wrong = checkSecret(reference, value)
    if (wrong === undefined) values.set(text, { secret: new Secret(value), previous: null })
    else fault(`${text} ${wrong}`)
  }
  return new SecretValues(values)
}

/** What is wrong with the value behind a reference; undefined = nothing. */
export function checkSecret({ check }: SecretReference, value: string): string | undefined {
  if (value === '') return 'is empty'
  // Credentials travel in headers and URLs; anything else than visible ASCII there is a paste gone wrong.
  if (!/^[\x21-\x7e]+$/.test(value)) return 'contains a space, a line break or a character that is not ASCII'
  return check?.(value)
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
