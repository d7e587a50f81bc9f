import type { Logger } from 'pino'
import type { Config } from '#config/schema.ts'
import { createFetchDocument } from '#issuers/keys/fetch-document.ts'
import { createKeyFetcher, type FetchedKeys } from '#issuers/keys/key-fetcher.ts'
import { type KeyAnswer, KeySet, type KeySetStatus, type PublishedKeys } from '#issuers/keys/key-set.ts'
import type { KeySource } from '#issuers/keys/key-source.ts'
import { readKeysOf } from './check-key-files.ts'
import { compileKeySources } from './compile-key-sources.ts'

/** What a worker asks: for the keys of a source, and for this `kid` among them. */
export interface KeyQuestion {
  /** `id` of the source. */
  readonly id: string
  readonly keyId: string | null
  /** Address of the client whose token names it. */
  readonly source: string
}

/** The supervisor's side of the keys of issuers: it alone fetches them, for all workers. */
export interface IssuerKeySource extends Disposable {
  /** Never rejects. */
  find(question: KeyQuestion): Promise<KeyAnswer>
  /** All that is known, for a worker that is new. */
  published(): PublishedKeys[]
  /** Since when the keys were fetched that are oldest, ms, and how many issuers have none. */
  measure(): { readonly oldestMs: number; readonly without: number }
  /** Of an issuer in effect, by its name. */
  status(name: string): KeySetStatus | undefined
  /**
   * Begins to fetch what another configuration needs; the result says whether that took effect. Then all keys are fetched
   * anew in the background; those in files are read at once: throws `config.invalid`, and changes nothing, where one holds none.
   */
  prepare(config: Config): (isInEffect: boolean) => void
}

interface IssuerKeyOptions {
  readonly log: Logger
  /** Told whenever something is known anew. */
  readonly onChange: (published: PublishedKeys) => void
  /** Told of each fetch. */
  readonly onFetched: (outcome: 'ok' | 'failed') => void
}

const TICK_MS = 500
/** Of one document, from the first byte to the last. */
const TIMEOUT_MS = 5000
export const fetchDocument = createFetchDocument(TIMEOUT_MS)
const clock = () => performance.now()

interface Kept {
  readonly source: KeySource
  readonly set: KeySet
}

export function createIssuerKeySource({ log, onChange, onFetched }: IssuerKeyOptions): IssuerKeySource {
  let current = new Map<string, Kept>()
  let next = new Map<string, Kept>()
  /** Sources whose trouble is in the log. */
  const failing = new Set<string>()

  const open = (source: KeySource): Kept => {
    const set = new KeySet({
      source,
      fetch: fetcherOf(source),
      clock,
      random: Math.random,
      // Of what is prepared nobody hears before it is in effect.
      onChange: published => current.get(source.id)?.set === set && onChange(published),
      onFetched(failure) {
        onFetched(failure === null ? 'ok' : 'failed')
        const { id, name } = source
        if (failure === null) {
          if (failing.delete(id)) log.info({ issuer: name }, 'keys of an issuer are fetched again')
        } else if (!failing.has(id)) {
          failing.add(id)
          log.error({ issuer: name, code: failure.code, err: failure }, 'keys of an issuer cannot be fetched')
        }
      },
    })
    return { source, set }
  }

  const timer = setInterval(() => {
    for (const { set } of current.values()) set.tick()
  }, TICK_MS)
  timer.unref()

  const commit = () => {
    for (const [id, { set, source }] of next) {
      const before = current.get(id)
      if (before !== undefined && source.jwksFile === null) set.takeOver(before.set)
    }
    for (const { set } of current.values()) set.close()
    current = next
    next = new Map()
    for (const id of failing) if (!current.has(id)) failing.delete(id)
    for (const { set } of current.values()) {
      set.tick()
      onChange(set.published())
    }
  }

  return {
    async find({ id, keyId, source }) {
      for (;;) {
        const kept = current.get(id) ?? next.get(id)
        if (kept === undefined) return { source: id, keys: null, isCurrent: false, lookUp: 'done' }
        const answer = await kept.set.find(keyId, source)
        // What a configuration that is replaced by now had fetched may be older than what is known since.
        if ((current.get(id) ?? next.get(id)) === kept) return answer
      }
    },
    published: () => [...current.values()].map(({ set }) => set.published()),
    measure() {
      const fetched = [...current.values()].filter(({ source }) => source.jwksFile === null)
      const statuses = fetched.map(({ set }) => set.status())
      const ages = statuses.map(({ fetchedAt }) => (fetchedAt === null ? 0 : clock() - fetchedAt))
      return { oldestMs: Math.max(0, ...ages), without: statuses.filter(({ keys }) => keys === null).length }
    },
    status: name => [...current.values()].find(({ source }) => source.name === name)?.set.status(),
    prepare(config) {
      const prepared = new Map([...compileKeySources(config).values()].map(source => [source.id, open(source)]))
      next = prepared
      // What is known already is taken over.
      for (const [id, { set, source }] of next) if (!current.has(id) || source.jwksFile !== null) set.tick()
      return isInEffect => {
        if (next !== prepared) return
        if (isInEffect) return commit()
        for (const { set } of next.values()) set.close()
        next = new Map()
      }
    },
    [Symbol.dispose]() {
      clearInterval(timer)
      for (const kept of [current, next]) for (const { set } of kept.values()) set.close()
    },
  }
}

function fetcherOf(source: KeySource): () => Promise<FetchedKeys> {
  if (source.jwksFile === null) return createKeyFetcher(source, fetchDocument, clock)
  const reading = readKeysOf(source.name, source.jwksFile)
  return async () => ({ ...reading, maxAgeMs: null })
}
