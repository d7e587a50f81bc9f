import { inspect } from 'node:util'

/**
 * A value that must not be printed. Logs, JSON and string conversion show `[redacted]`;
 * `reveal()` is the one way to the value, so a search for it finds every use.
 */
export class Secret {
  readonly #value: string

  constructor(value: string) {
    this.#value = value
  }

  reveal(): string {
    return this.#value
  }

  toString(): string {
    return '[redacted]'
  }

  toJSON(): string {
    return '[redacted]'
  }

  [inspect.custom](): string {
    return '[redacted]'
  }
}
