import { createPublicKey, hash, X509Certificate } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { dpopAlgorithms } from '#auth/dpop/dpop-algorithms.ts'
import { type DpopKey, readDpopKey } from '#auth/dpop/dpop-key.ts'
import { Problem } from '#core/problems.ts'

/** The options that say with what callers must prove that a key is theirs. */
export interface BindingOptions {
  readonly 'dpop-key'?: string | undefined
  readonly 'dpop-key-file'?: string | undefined
  readonly certificate?: string | undefined
  readonly 'certificate-file'?: string | undefined
}

const NAMES = ['dpop-key', 'dpop-key-file', 'certificate', 'certificate-file'] as const

/** The member `binding` of a body; undefined = none of the options was given, null = `none`. Throws `cli.usage`. */
export function readBinding(options: BindingOptions): Record<string, string> | null | undefined {
  const given = NAMES.filter(name => options[name] !== undefined)
  const [name] = given
  if (name === undefined) return undefined
  if (given.length > 1)
    refuse(`Give one of ${given.map(each => `--${each}`).join(' and ')}: a key is bound to one thing.`)
  const value = options[name] as string
  switch (name) {
    case 'dpop-key':
      return value === 'none' ? null : { dpop_jkt: value }
    case 'dpop-key-file':
      return { dpop_jkt: keyThumbprint(value) }
    case 'certificate':
      return value === 'none' ? null : { x5t_s256: value }
    case 'certificate-file':
      return { x5t_s256: certificateThumbprint(value) }
  }
}

/** Of the public key in a file, as JWK or PEM; of a private one that of its public half. */
function keyThumbprint(file: string): string {
  const text = read(file)
  let jwk: object
  try {
    const key = text.trimStart().startsWith('{') ? { key: JSON.parse(text), format: 'jwk' as const } : text
    jwk = createPublicKey(key).export({ format: 'jwk' })
  } catch {
    refuse(`${file} holds no key: a JWK or PEM is needed.`)
  }
  const found = dpopAlgorithms.map(algorithm => readDpopKey(jwk, algorithm)).find(key => typeof key !== 'string')
  if (found === undefined)
    refuse(`${file}: proofs are taken of ${dpopAlgorithms.join(', ')}, and the key is for none of them.`)
  return (found as DpopKey).thumbprint
}

function certificateThumbprint(file: string): string {
  try {
    return hash('sha256', new X509Certificate(read(file)).raw, 'base64url')
  } catch (error) {
    if (error instanceof Problem) throw error
    return refuse(`${file} holds no certificate: PEM is needed.`)
  }
}

function read(file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch (error) {
    return refuse(`${file} cannot be read (${(error as NodeJS.ErrnoException).code}).`)
  }
}

function refuse(detail: string): never {
  throw new Problem('cli.usage', { detail })
}
