import type { Clock } from '#core/clock.ts'
import type { IssuerKeys, KeysRemoved } from '#issuers/keys/issuer-keys.ts'
import type { KeyAnswer, PublishedKeys } from '#issuers/keys/key-set.ts'
import type { KeySource } from '#issuers/keys/key-source.ts'
import { KnownKeys } from '#issuers/keys/known-keys.ts'
import type { LookUp } from '#issuers/keys/refetch-gate.ts'
import type { KeyQuestion } from './issuer-keys.ts'

/** The keys of the issuers of one configuration; disposed of with it. */
export type ConfiguredKeys = IssuerKeys & Disposable

/** A worker's side of the keys of issuers: it knows what the supervisor told it, and asks for what it does not know. */
export interface IssuerKeyLine {
  /** Sources by the name of their issuer. */
  open(sources: ReadonlyMap<string, KeySource>): ConfiguredKeys
  /** What the supervisor tells by itself. */
  learn(published: PublishedKeys): void
  /** The supervisor's answer to the question of this number. */
  onAnswer(number: number, answer: KeyAnswer): void
}

interface Opened {
  readonly sources: ReadonlyMap<string, KeySource>
  readonly listeners: Set<KeysRemoved>
}

export function openIssuerKeyLine(ask: (number: number, question: KeyQuestion) => void, clock: Clock): IssuerKeyLine {
  const known = new Map<string, KnownKeys>()
  const opened = new Set<Opened>()
  const waiting = new Map<number, (lookUp: LookUp) => void>()
  let number = 0

  const createKnown = ({ id, life }: KeySource) =>
    new KnownKeys(life, {
      clock,
      ask: (keyId, source) =>
        new Promise(resolve => {
          waiting.set(++number, resolve)
          ask(number, { id, keyId, source })
        }),
    })

  /** What no configuration needs any more is known no more: another one would need it as it is then. */
  const forget = () => {
    const needed = new Set([...opened].flatMap(({ sources }) => [...sources.values()].map(({ id }) => id)))
    for (const id of known.keys()) if (!needed.has(id)) known.delete(id)
  }

  const learn = (published: PublishedKeys) => {
    const removed = known.get(published.source)?.learn(published)
    if (removed === undefined || removed.size === 0) return
    for (const { sources, listeners } of opened) {
      for (const { id, name } of sources.values()) {
        if (id === published.source) for (const listener of listeners) listener(name, removed)
      }
    }
  }

  return {
    open(sources) {
      const entry: Opened = { sources, listeners: new Set() }
      opened.add(entry)
      for (const source of sources.values()) {
        const before = known.get(source.id)
        if (before === undefined) known.set(source.id, createKnown(source))
        else before.setLife(source.life)
      }
      return {
        find: ({ issuer, ...query }) => known.get(sources.get(issuer)?.id ?? '')?.find(query) ?? [],
        onChange: listener => void entry.listeners.add(listener),
        [Symbol.dispose]() {
          opened.delete(entry)
          forget()
        },
      }
    },
    learn,
    onAnswer(number, answer) {
      learn(answer)
      waiting.get(number)?.(answer.lookUp)
      waiting.delete(number)
    },
  }
}
