import Type from 'typebox'

/** The members of a list's query that page through it. */
export const pageQuery = (prefix: string) => ({
  limit: Type.Optional(
    Type.Integer({ minimum: 1, maximum: 1000, default: 100, description: 'How many to answer at most.' }),
  ),
  after: Type.Optional(
    Type.String({
      pattern: `^${prefix}_[0-9a-z]{26}$`,
      description: 'Continues after this id: the `next` of the page before.',
    }),
  ),
})

/** What a list answers as `next`. */
export const nextCursor = Type.Union([Type.String(), Type.Null()], {
  description: 'Send it as `after` for the next page; null = this was the last one.',
})

/** One page of what `find` has, and where the next one begins. One more than asked for tells whether there is one. */
export async function readPage<T extends { readonly id: string }>(
  { limit = 100, after }: { readonly limit?: number | undefined; readonly after?: string | undefined },
  find: (page: { readonly limit: number; readonly after: string | undefined }) => Promise<readonly T[]>,
): Promise<{ readonly items: readonly T[]; readonly next: string | null }> {
  const found = await find({ limit: limit + 1, after })
  const items = found.slice(0, limit)
  return { items, next: found.length > limit ? (items.at(-1)?.id ?? null) : null }
}
