import { startCatalog } from './catalog-service.ts'
import { startCompanyIdp } from './company-idp.ts'
import { logIn, rename, watch } from './streaming-app.ts'

/** Plays the example against a gateway that was started with this folder's `ostiary.yaml`. */
const gateway = process.env.OSTIARY_URL ?? 'http://localhost:8400'
await using idp = await startCompanyIdp()
await using catalog = await startCatalog(gateway)

const vera = await logIn(idp.issuer, 'vera', 'vera-likes-films')
const edgar = await logIn(idp.issuer, 'edgar', 'edgar-cuts-films')
console.log('vera, a viewer, watches:')
await watch(gateway, vera, frame => process.stdout.write(`  ${frame}`))
for (const [name, token] of Object.entries({ vera, edgar })) {
  const reply = await rename(gateway, token, '1', 'The Ostiary')
  console.log(`${name} renames a title: ${reply.status} ${(await reply.text()).slice(0, 200)}`)
}
const leaks = catalog.seen.flat().filter(text => text.includes(vera) || text.includes(edgar))
console.log(`headers in which the catalog saw a token of a person: ${leaks.length}`)
