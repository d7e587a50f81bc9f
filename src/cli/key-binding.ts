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
      return value === 'none' ? null : { dpop_jkt: readThumbprint(name, value) }
    case 'dpop-key-file':
      return { dpop_jkt: keyThumbprint(value) }
    case 'certificate':
      return value === 'none' ? null : { x5t_s256: readThumbprint(name, value) }
    case 'certificate-file':
      return { x5t_s256: certificateThumbprint(value) }
  }
}

/** SHA-256 in base64url. */
function readThumbprint(option: string, text: string): string {
  if (!/^[A-Za-z0-9_-]{43}$/.test(text)) refuse(`--${option}: a thumbprint is 43 characters of base64url.`)
  return text
}

/** Of the public key in a file, as JWK or PEM. A private one has no business where keys of the gateway are made. */
function keyThumbprint(file: string): string {
  const text = read(file)
  let jwk: object
  try {
    const key = text.trimStart().startsWith('{') ? { key: JSON.parse(text), format: 'jwk' as const } : text
    const isPrivate = typeof key === 'string' ? /PRIVATE KEY-----/.test(key) : Object.hasOwn(key.key, 'd')
    if (isPrivate) refuse(`${file}: that is the private key; take the public one.`)
    jwk = createPublicKey(key).export({ format: 'jwk' })
  } catch (error) {
    if (error instanceof Problem) throw error
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
