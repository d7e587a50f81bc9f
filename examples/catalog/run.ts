import { spawn } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { startCatalog } from './catalog-service.ts'
import { startCompanyIdp } from './company-idp.ts'
import { logIn, rename, watch } from './streaming-app.ts'

/** Starts the identity provider, the gateway and the catalog, plays what people do with them, and stops all. */
const root = join(import.meta.dirname, '../..')
const port = process.env.OSTIARY_LISTENERS_PUBLIC_PORT ?? '8400'
const gateway = `http://localhost:${port}`

await using idp = await startCompanyIdp()
await using _running = await startGateway()
await using catalog = await startCatalog(gateway)

const vera = await logIn(idp.issuer, 'vera', 'vera-likes-films')
const edgar = await logIn(idp.issuer, 'edgar', 'edgar-cuts-films')
console.log('vera, a viewer, watches:')
await watch(gateway, vera, frame => process.stdout.write(frame.replace(/^/gm, '  ').replace(/ +$/, '')))
for (const [name, token] of Object.entries({ vera, edgar })) {
  const reply = await rename(gateway, token, '1', 'The Ostiary')
  console.log(`${name} renames a title: ${reply.status} ${await reply.text()}`)
}
const leaks = catalog.seen.flat().filter(text => text.includes(vera) || text.includes(edgar))
console.log(`headers in which the catalog saw a token of a person: ${leaks.length}`)

/** `ostiary start` with this folder's configuration and a data directory for the moment. */
async function startGateway(): Promise<AsyncDisposable> {
  const data = await mkdtemp(join(tmpdir(), 'ostiary-catalog-'))
  const config = join(import.meta.dirname, 'ostiary.yaml')
  const child = spawn(process.execPath, [join(root, 'src/main.ts'), 'start', '--config', config], {
    env: { ...process.env, OSTIARY_DATA_DIR: data, OSTIARY_LOG_LEVEL: 'error' },
    stdio: ['ignore', 'ignore', 'inherit'],
  })
  const ended = new Promise(resolve => child.once('exit', resolve))
  for (let tries = 0; child.exitCode === null && tries < 300; tries++) {
    // Whoever has no credential is told so as soon as somebody is there to tell.
    if ((await fetch(gateway).catch(() => null))?.status === 401) break
    await pause(100)
  }
  return {
    async [Symbol.asyncDispose]() {
      child.kill()
      await ended
      await rm(data, { recursive: true, force: true })
    },
  }
}
