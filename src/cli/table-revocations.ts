import type { CommandEntry } from './command.ts'
import { tableOptions, text } from './table-options.ts'

const { json } = tableOptions

const ID = 'rev_01kd5e7m3v9qwhc4t2x8r6b0zn'

/** `ostiary revocations` in the table of commands. */
export const revocationsEntry = {
  summary: 'refuse tokens of identity providers before they end',
  example: 'ostiary revocations create --issuer company --subject 248289761001',
  commands: {
    create: {
      summary: 'refuse tokens by one of their names',
      options: {
        issuer: text('NAME', 'issuer in the configuration, whose tokens they are'),
        subject: text('SUB', 'all tokens of a person or service, issued until now'),
        client: text('ID', 'all tokens that were issued to a client until now'),
        session: text('SID', 'all tokens of a session, issued until now'),
        token: text('JTI', 'one token'),
        'token-from-stdin': {
          type: 'boolean',
          description: 'one token, which stands on standard input; its names are read, and the token is sent nowhere',
        },
        key: text('KID', 'all tokens signed with a key of the issuer, by its name or thumbprint'),
        at: text('TIME', 'with subject, client or session: all tokens issued until then, instead of until now'),
        expires: text('TIME|12h|never', 'when none of them can be good any more (as the longest that can be)'),
        reason: text('TEXT', 'why, for the record'),
        json,
      },
      notes:
        'Every worker refuses them within five seconds. Whoever can get a new token still may: stop that at the issuer first.',
      example: 'ostiary revocations create --issuer company --subject 248289761001 --reason "laptop stolen"',
    },
    list: {
      summary: 'list what is refused, newest first',
      options: {
        issuer: text('NAME', 'only of this issuer'),
        kind: text('token|subject|client|session|key', 'only of this kind'),
        value: text('TEXT', 'only of exactly this name'),
        json,
      },
      example: 'ostiary revocations list --issuer company --kind subject',
    },
    show: { summary: 'show an entry', operands: 'ID', options: { json }, example: `ostiary revocations show ${ID}` },
    delete: {
      summary: 'lift an entry: what it refused is good again, unless it has ended',
      operands: 'ID',
      options: { json },
      example: `ostiary revocations delete ${ID}`,
    },
  },
  load: async () => (await import('./revocations.ts')).revocationsCommand,
} as const satisfies CommandEntry
