import type { PolicyJson } from '@cedar-policy/cedar-wasm/nodejs'

/** One policy, parsed. */
export interface Policy {
  /** Its `@id`, else the name of its file with its number there: `access.cedar#2`. */
  readonly id: string
  readonly file: string
  /** Where it begins in the file, from 1. */
  readonly line: number
  readonly effect: 'permit' | 'forbid'
  /** Asked and recorded, never enforced: `@shadow`. */
  readonly shadow: boolean
  /** Comes with the gateway. */
  readonly shipped: boolean
  /** What its `@description` says; null = nothing. */
  readonly description: string | null
  /** As it was written, without the comments before it. */
  readonly text: string
  /** The syntax tree in Cedar’s JSON, without annotations. */
  readonly json: PolicyJson
}

/** What is wrong with a policy. */
export interface PolicyFault {
  readonly file: string
  /** From 1; null = the file as a whole. */
  readonly line: number | null
  /** null = it could not be read as far as that. */
  readonly policy: string | null
  readonly message: string
}

/** `policies/access.cedar:12: policy "late": is impossible`. */
export function showFault({ file, line, policy, message }: PolicyFault): string {
  const place = line === null ? file : `${file}:${line}`
  return policy === null ? `${place}: ${message}` : `${place}: policy ${JSON.stringify(policy)}: ${message}`
}
