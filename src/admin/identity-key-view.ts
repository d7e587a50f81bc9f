import Type, { type Static } from 'typebox'
import type { ListedKey } from '#identity/identity-keys.ts'

/** A key of identity tokens as the admin API shows it. Times are ISO 8601 in UTC. */
export const identityKeyView = Type.Object({
  kid: Type.String({ description: 'Its name in the key set: its SHA-256 thumbprint (RFC 7638).' }),
  state: Type.String({
    description:
      '`waiting`: published, yet to sign; `signing`; `retired`: signs no more, and goes when its last token has ended.',
    examples: ['signing'],
  }),
  published_at: Type.String({ description: 'Since when it is published.' }),
  signs_from: Type.String({ description: 'From when it signs.' }),
})

export function viewIdentityKey({ id, state, publishedAt, activeAt }: ListedKey): Static<typeof identityKeyView> {
  return {
    kid: id,
    state,
    published_at: new Date(publishedAt).toISOString(),
    signs_from: new Date(activeAt).toISOString(),
  }
}
