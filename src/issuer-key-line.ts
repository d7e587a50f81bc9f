import { type CryptoKey, calculateJwkThumbprint, importJWK, type JWK } from 'jose'
import { Problem } from '#core/problems.ts'
import type { IssuerKey, IssuerKeys, KeyQuery, KeysRemoved } from '#issuers/issuer-keys.ts'
import type { PublishedKeys } from './issuer-keys.ts'

/** A worker's side of the keys of issuers: it knows what the supervisor told it, and asks for what it does not know. */
export interface IssuerKeyLine extends IssuerKeys {
  /** The supervisor's answer to the question of this number. */
  onAnswer(number: number, answer: PublishedKeys): Promise<void>
}

export function openIssuerKeyLine(ask: (number: number, question: KeyQuery) => void): IssuerKeyLine {
  const known = new Map<string, readonly IssuerKey[]>()
  const waiting = new Map<number, (answer: PublishedKeys) => void>()
  const listeners: KeysRemoved[] = []
  let number = 0
  const fitting = ({ issuer, keyId, algorithm }: KeyQuery) =>
    (known.get(issuer) ?? []).filter(key => key.algorithm === algorithm && (keyId === null || key.keyId === keyId))
  return {
    find(query) {
      const found = fitting(query)
      if (found.length > 0) return found
      return new Promise<PublishedKeys>(resolve => {
        waiting.set(++number, resolve)
        ask(number, query)
      }).then(({ keys }) => {
        if (keys === null && !known.has(query.issuer)) throw new Problem('auth.issuer_unavailable')
        return fitting(query)
      })
    },
    onChange: listener => void listeners.push(listener),
    async onAnswer(number, answer) {
      if (answer.keys !== null) {
        const keys = await importKeys(answer.keys)
        const removed = new Set(known.get(answer.issuer)?.map(({ thumbprint }) => thumbprint))
        for (const { thumbprint } of keys) removed.delete(thumbprint)
        known.set(answer.issuer, keys)
        if (removed.size > 0) for (const listener of listeners) listener(answer.issuer, removed)
      }
      waiting.get(number)?.(answer)
      waiting.delete(number)
    },
  }
}

async function importKeys(published: readonly JWK[]): Promise<IssuerKey[]> {
  const keys: IssuerKey[] = []
  for (const jwk of published) {
    if (jwk.alg === undefined) continue
    const key = (await importJWK(jwk, jwk.alg)) as CryptoKey
    keys.push({ thumbprint: await calculateJwkThumbprint(jwk), keyId: jwk.kid ?? null, algorithm: jwk.alg, key })
  }
  return keys
}
