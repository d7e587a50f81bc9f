import { createRequire } from 'node:module'

export type Cedar = typeof import('@cedar-policy/cedar-wasm/nodejs')

const require = createRequire(import.meta.url)
let loaded: Cedar | undefined

/** Cedar’s own evaluator, compiled to WebAssembly: 4 MB that a thread loads when it has its first decision to make. */
export function loadCedar(): Cedar {
  loaded ??= require('@cedar-policy/cedar-wasm/nodejs') as Cedar
  return loaded
}

/** Whether this thread has had a decision to make. */
export function isCedarLoaded(): boolean {
  return loaded !== undefined
}
