import type { KeySchedule } from './key-schedule.ts'
import { readSigningKey } from './signing-key.ts'

/** The keys as text for the file that keeps them, private halves and all. */
export function writeStoredKeys(keys: KeySchedule): string {
  const stored = keys.map(({ publishedAt, activeAt, privateKey }) => ({
    publishedAt,
    activeAt,
    pem: privateKey.export({ type: 'pkcs8', format: 'pem' }),
  }))
  return JSON.stringify({ keys: stored })
}

/** Throws, and says nothing of the content, where the text is not what `writeStoredKeys` wrote. */
export function readStoredKeys(text: string): KeySchedule {
  try {
    const { keys } = JSON.parse(text) as { keys: { publishedAt: number; activeAt: number; pem: string }[] }
    const read = keys.map(({ publishedAt, activeAt, pem }) => {
      if (!Number.isSafeInteger(publishedAt) || !Number.isSafeInteger(activeAt)) throw new TypeError('is no time')
      return readSigningKey(pem, publishedAt, activeAt)
    })
    const isOrdered = read.every(({ activeAt }, i) => i === 0 || (read[i - 1]?.activeAt ?? 0) <= activeAt)
    if (read.length === 0 || !isOrdered) throw new TypeError('is no schedule')
    return read
  } catch {
    throw new TypeError('does not hold the keys of identity tokens')
  }
}
