import type { AddressLists } from '#core/address-lists.ts'
import type { ExplanationView } from '#policy/view-explanation.ts'
import type { KeyRecord } from '#store/ports.ts'

/** What is asked about a key; of a model its name, of a service none. */
export interface KeyQuestion {
  readonly key: KeyRecord
  /** From where credentials of its project may be used. */
  readonly projectAddresses: AddressLists
  readonly action: string
  readonly model: string | undefined
  readonly ip: string
  /** ms since the epoch. */
  readonly at: number
  readonly features: readonly string[]
  readonly method: string | undefined
  readonly path: string | undefined
}

/** What operators may ask of the policies in effect; nothing of it changes anything. */
export interface PolicyOperations {
  /** Throws `admin.invalid_input` for what cannot be asked for, `model.not_found` and `model.wrong_format`. */
  explain(question: KeyQuestion): ExplanationView
}
