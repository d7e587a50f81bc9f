import Type, { type Static } from 'typebox'
import type { LiveSecret } from './secret-operations.ts'

export const secretName = Type.String({
  pattern: '^[A-Za-z][A-Za-z0-9_.-]{0,63}$',
  maxLength: 64,
  description: 'A letter, then letters, digits, `_`, `.` and `-`; at most 64.',
  examples: ['openai'],
})

/** What a credential may be: visible ASCII, which is what headers and URLs carry. */
export const secretValue = Type.String({
  minLength: 1,
  maxLength: 65_536,
  pattern: '^[\\x21-\\x7e]+$',
  description: 'Visible ASCII.',
  examples: ['sk-proj-4f7c0d'],
})

/** Room for the longest value and the JSON around it, in which a character may take two bytes. */
export const SECRET_BODY_BYTES = 2 * 65_536 + 1024

/** A secret as the admin API shows it: never its value. Times are ISO 8601 in UTC. */
export const secretView = Type.Object({
  name: Type.String({ description: 'As `secret:NAME` refers to it.', examples: ['openai'] }),
  version: Type.Integer({ description: 'Number of the value in use.' }),
  created_at: Type.String({ description: 'Of the version in use.' }),
  kek_id: Type.String({ description: 'Key-encryption key that it is under.', examples: ['5f0c2a9be41d'] }),
  used_by: Type.Array(Type.String(), { description: 'Members of the configuration in effect that refer to it.' }),
  previous: Type.Union(
    [
      Type.Null(),
      Type.Object({
        version: Type.Integer({ description: 'Number of the value before.' }),
        ends_at: Type.String({ description: 'Until when it is valid; then it is destroyed.' }),
      }),
    ],
    { description: 'The value before, while it is valid.' },
  ),
})

export type SecretView = Static<typeof secretView>

export function viewSecret({ name, version, createdAt, kekId, usedBy, previous }: LiveSecret): SecretView {
  return {
    name,
    version,
    created_at: new Date(createdAt).toISOString(),
    kek_id: kekId,
    used_by: [...usedBy],
    previous: previous && { version: previous.version, ends_at: new Date(previous.endsAt).toISOString() },
  }
}
