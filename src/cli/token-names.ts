import { loadConfig } from '#config/load.ts'
import { Problem } from '#core/problems.ts'
import { readToken } from '#issuers/read-token.ts'
import type { Io } from './command.ts'
import { readSecretInput } from './secret-input.ts'

/** What an entry of the revocation list says of one token. */
export interface TokenNames {
  /** Name of the issuer in the configuration. */
  readonly issuer: string
  readonly tokenId: string
  /** `exp`, ms since the epoch; undefined = it does not say. */
  readonly expiresAt: number | undefined
}

/** Reads a token from standard input; nothing of it is verified. Throws `cli.usage` for one that cannot be revoked by itself. */
export async function readTokenNames(io: Io, issuer: string | undefined): Promise<TokenNames> {
  const token = readToken((await readSecretInput(io)).reveal())
  if (typeof token === 'string') throw usage('What stands on standard input is not a JWT.')
  const { iss, jti, exp, sub } = token.claims
  const name = issuer ?? findIssuer(io, iss)
  if (typeof jti !== 'string' || jti === '') {
    const subject = typeof sub === 'string' ? ` (${JSON.stringify(sub)})` : ''
    throw usage(
      `The token has no jti, so no entry can name it alone. Revoke all tokens of its subject${subject} with --subject, or those of its client or session.`,
    )
  }
  return { issuer: name, tokenId: jti, expiresAt: isTime(exp) ? exp * 1000 : undefined }
}

function findIssuer(io: Io, iss: unknown): string {
  const { config } = loadConfig({ env: io.env, withSecrets: false })
  const found = Object.entries(config.issuers).find(([, { issuer }]) => issuer === iss)
  if (found === undefined) {
    throw usage(
      `The configuration here has no issuer ${JSON.stringify(iss) ?? 'of such a token'}: name it with --issuer.`,
    )
  }
  return found[0]
}

/** Up to the year 9999, which is as far as the API goes. */
function isTime(value: unknown): value is number {
  return typeof value === 'number' && value >= 0 && value < 253_402_300_800
}

function usage(detail: string): Problem {
  return new Problem('cli.usage', { detail })
}
