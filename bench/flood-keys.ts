import { randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { createKeyFormat } from '#keys/format.ts'
import type { Ostiary } from './ostiary.ts'

const count = 10_000

/** So many that no answer is held back: what is measured is the refusal. */
export const UNHINDERED = 1_000_000

/** Keys that nobody was given, made by the product's own code: under a foreign deployment secret, or under the gateway's. */
export function makeFloodKeys(flood: 'madeUp' | 'unknown', { dataDirectory, key }: Ostiary): string[] {
  const own = createKeyFormat('sk', readDeploymentSecret(dataDirectory))
  // The gateway's own key tells whether the right secret was read.
  if (own.check(key) !== null) throw new Error('the flood’s unknown keys would fail the tag check')
  const format = flood === 'unknown' ? own : createKeyFormat('sk', randomBytes(32))
  return Array.from({ length: count }, () => format.make('test'))
}

function readDeploymentSecret(dataDirectory: string): Buffer {
  return Buffer.from(readFileSync(join(dataDirectory, 'deployment-secret'), 'utf8').trim(), 'base64url')
}
