const NANO = 1_000_000_000n

/** Nano US dollars as a decimal number of dollars, exact: `12.5`, `0.000000075`, `3`. */
export function toUsd(nanoUsd: bigint): string {
  const rest = (nanoUsd % NANO).toString().padStart(9, '0').replace(/0+$/, '')
  return rest === '' ? `${nanoUsd / NANO}` : `${nanoUsd / NANO}.${rest}`
}

/** What `toUsd` has written, as nano US dollars. */
export function fromUsd(usd: string): bigint {
  const [whole = '0', rest = ''] = usd.split('.')
  return BigInt(whole) * NANO + BigInt(rest.padEnd(9, '0'))
}

/** For people: to the hundredth of a cent, rounded; what is less than half of that is not nothing. */
export function showUsd(nanoUsd: bigint): string {
  const hundredths = (nanoUsd + 50_000n) / 100_000n
  if (hundredths === 0n && nanoUsd > 0n) return '<$0.0001'
  const dollars = (hundredths / 10_000n).toString().replace(/\B(?=(\d{3})+$)/g, ',')
  return `$${dollars}.${(hundredths % 10_000n).toString().padStart(4, '0')}`
}
