import { Problem } from '#core/problems.ts'
import { Secret } from '#core/secret.ts'
import type { Io } from './command.ts'

const MAX_BYTES = 64 * 1024

/** Reads a secret from standard input, less one line break at its end. Throws `cli.usage` for one that no credential is. */
export async function readSecretInput({ stdin }: Io): Promise<Secret> {
  const text = await readText(stdin)
  if (text === '') throw new Problem('cli.usage', { detail: 'The secret on standard input is empty.' })
  // As those of `env:` and `file:`: anything else than visible ASCII is a paste gone wrong.
  if (!/^[\x21-\x7e]+$/.test(text)) {
    throw new Problem('cli.usage', {
      detail: 'The secret on standard input contains a space, a line break or a character that is not ASCII.',
    })
  }
  return new Secret(text)
}

/** Reads a passphrase, less one line break at its end: any UTF-8, but not a short one. */
export async function readPassphrase({ stdin }: Io): Promise<Secret> {
  return toPassphrase(await readText(stdin))
}

/** Throws `cli.usage`. */
export function toPassphrase(text: string): Secret {
  const passphrase = text.replace(/\r?\n$/, '')
  // Argon2id makes guessing slow, not a guessable passphrase safe.
  if (passphrase.length < 12) throw new Problem('cli.usage', { detail: 'The passphrase has fewer than 12 characters.' })
  return new Secret(passphrase)
}

async function readText(stdin: Io['stdin']): Promise<string> {
  const advice = 'Pipe the secret in: it is never an argument, and a terminal would show it.'
  if (stdin === undefined || stdin.isTTY) throw new Problem('cli.usage', { detail: advice })
  const chunks: Buffer[] = []
  let bytes = 0
  for await (const chunk of stdin) {
    const piece = Buffer.from(chunk)
    bytes += piece.length
    if (bytes > MAX_BYTES) throw new Problem('cli.usage', { detail: 'Standard input is larger than 64 KiB.' })
    chunks.push(piece)
  }
  return Buffer.concat(chunks)
    .toString()
    .replace(/\r?\n$/, '')
}
