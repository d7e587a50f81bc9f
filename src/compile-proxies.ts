import type { Config } from '#config/schema.ts'
import type { SecretValues } from '#config/secrets.ts'
import type { Clock } from '#core/clock.ts'
import { compileAddresses } from '#core/compile-addresses.ts'
import { createProxyFinder, type FindProxy } from '#proxies/known-proxies.ts'

/** Who may ask for decisions. */
export function compileProxies({ decide }: Config, secrets: SecretValues, clock: Clock): FindProxy {
  const proxies = Object.entries(decide.proxies).map(([name, { dialect, addresses, secret, origins }]) => ({
    name,
    dialect,
    allowsAddress: compileAddresses(addresses),
    secret: secrets.get(secret),
    previous: secrets.previous(secret),
    origins: origins.map(origin => new URL(origin).origin),
  }))
  return createProxyFinder(proxies, clock)
}
