import { Problem } from '#core/problems.ts'
import type { Io } from './command.ts'

/** More is no list of keys. */
const MAX_CHARACTERS = 16 * 1024 * 1024

/** The lines of standard input that are not empty. Throws `cli.usage` where there is none, or nobody to type them. */
export async function readLines({ stdin }: Io, what: string): Promise<string[]> {
  if (stdin === undefined || stdin.isTTY === true) {
    throw new Problem('cli.usage', { detail: `Give ${what} on standard input, one a line.` })
  }
  const decoder = new TextDecoder()
  let text = ''
  for await (const chunk of stdin) {
    text += typeof chunk === 'string' ? chunk : decoder.decode(chunk, { stream: true })
    if (text.length > MAX_CHARACTERS) throw new Problem('cli.usage', { detail: 'Standard input is too long.' })
  }
  const lines = text.split('\n').map(line => line.trim())
  const said = lines.filter(line => line !== '')
  if (said.length === 0) throw new Problem('cli.usage', { detail: `Standard input is empty: give ${what}.` })
  return said
}
