import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { once } from 'node:events'
import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { type AddressInfo, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { promisify } from 'node:util'
import { startCatalog } from '../../examples/catalog/catalog-service.ts'
import { startCompanyIdp } from '../../examples/catalog/company-idp.ts'
import { logIn, rename, watch } from '../../examples/catalog/streaming-app.ts'
import { type Gateway, startGateway } from '../support/gateway.ts'

const EXAMPLE = join(import.meta.dirname, '../../examples/catalog')
const PASSWORDS = {
  vera: 'vera-likes-films',
  edgar: 'edgar-cuts-films',
  ada: 'ada-runs-this',
  nobody: 'nobody-has-groups',
}
type Person = keyof typeof PASSWORDS

/** What a command of the example prints on standard output. */
async function run(args: readonly string[], env: NodeJS.ProcessEnv): Promise<string> {
  const { stdout } = await promisify(execFile)(process.execPath, [...args], { env, timeout: 60_000 })
  return stdout
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  await new Promise(resolve => server.close(resolve))
  return port
}

/** The example as it stands, but for its ports. */
describe('examples/catalog', () => {
  let folder: string
  let idp: Awaited<ReturnType<typeof startCompanyIdp>>
  let gateway: Gateway
  let catalog: Awaited<ReturnType<typeof startCatalog>>
  const tokens = {} as Record<Person, string>

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'ostiary-'))
    await cp(EXAMPLE, folder, { recursive: true })
    idp = await startCompanyIdp(0)
    gateway = await startGateway({ folder, env: { OSTIARY_CONFIG: join(folder, 'ostiary.yaml') } })
    catalog = await startCatalog(gateway.url, 0)
    const yaml = await readFile(join(EXAMPLE, 'ostiary.yaml'), 'utf8')
    const placed = yaml.replace('http://127.0.0.1:9410', idp.issuer).replace('http://127.0.0.1:9420', catalog.url)
    await writeFile(join(folder, 'ostiary.yaml'), placed)
    await gateway.ostiary.reload('test')
    for (const name of Object.keys(PASSWORDS) as Person[]) tokens[name] = await logIn(idp.issuer, name, PASSWORDS[name])
  })

  after(async () => {
    await catalog?.[Symbol.asyncDispose]()
    await gateway?.[Symbol.asyncDispose]()
    await idp?.[Symbol.asyncDispose]()
    await rm(folder, { recursive: true, force: true })
  })

  const get = (path: string, token: string, headers: Record<string, string> = {}) =>
    fetch(gateway.url + path, { headers: { authorization: `Bearer ${token}`, ...headers } })

  it('streams to a viewer, piece by piece', async () => {
    const frames: string[] = []
    await watch(gateway.url, tokens.vera, frame => frames.push(frame))
    assert.match(frames.join(''), /^frame 0\n[\s\S]*frame 19\n$/)
    assert.ok(frames.length > 5, `came in ${frames.length} pieces`)
  })

  it('tells the service who calls and in which role', async () => {
    for (const [name, role, titles] of [
      ['vera', 'viewer', 1],
      ['edgar', 'editor', 2],
      ['ada', 'admin', 2],
    ] as const) {
      const reply = await get('/catalog/titles', tokens[name])
      assert.equal(reply.status, 200)
      const body = (await reply.json()) as { titles: unknown[]; for: { subject: string; roles: string[] } }
      assert.deepEqual([body.for.roles, body.titles.length], [[role], titles])
      assert.match(body.for.subject, new RegExp(`${name}$`))
    }
  })

  it('refuses a viewer the operation of an editor with 403, which never reaches the service', async () => {
    const before = catalog.seen.length
    const reply = await rename(gateway.url, tokens.vera, '1', 'Mine')
    assert.equal(reply.status, 403)
    assert.equal(((await reply.json()) as { code: string }).code, 'policy.denied')
    assert.equal(catalog.seen.length, before)
    const event = await gateway.event(reply.headers.get('x-request-id') ?? '')
    assert.deepEqual([event.outcome, event.problem, event.reason], ['refused', 'policy.denied', 'no_policy'])
  })

  it('lets an editor edit and not remove, and an admin do both', async () => {
    assert.equal((await rename(gateway.url, tokens.edgar, '1', 'The Ostiary')).status, 200)
    const remove = (token: string) =>
      fetch(`${gateway.url}/catalog/titles/2`, { method: 'DELETE', headers: { authorization: `Bearer ${token}` } })
    assert.equal((await remove(tokens.edgar)).status, 403)
    assert.equal((await remove(tokens.ada)).status, 204)
  })

  it('refuses somebody without a role with 403, and nobody known with 401', async () => {
    assert.equal((await get('/catalog/titles', tokens.nobody)).status, 403)
    assert.equal((await fetch(`${gateway.url}/catalog/titles`)).status, 401)
    assert.equal((await get('/catalog/titles', `${tokens.vera}x`)).status, 401)
  })

  it('shows the service no token and no password, and none of what the caller forges', async () => {
    const forged = {
      'x-ostiary-roles': 'admin',
      x_ostiary_roles: 'admin',
      'x-ostiary-identity': tokens.ada,
      'x-ostiary-subject': 'company:ada',
      'x-forwarded-for': '10.0.0.1',
    }
    const reply = await get('/catalog/titles', tokens.vera, forged)
    const body = (await reply.json()) as { for: { roles: string[] } }
    assert.deepEqual(body.for.roles, ['viewer'])
    const shown = catalog.seen.flat().join('\n').toLowerCase()
    for (const secret of [...Object.values(tokens), ...Object.values(PASSWORDS)]) {
      assert.ok(!shown.includes(secret.toLowerCase()), 'a token or a password was passed on')
    }
    assert.ok(!/^authorization$|^x_ostiary|10\.0\.0\.1/m.test(shown))
  })

  it('does what its README says, with one command', async () => {
    const [publicPort, adminPort] = [await freePort(), await freePort()]
    const env = {
      ...process.env,
      OSTIARY_LISTENERS_PUBLIC_PORT: String(publicPort),
      OSTIARY_LISTENERS_ADMIN_PORT: String(adminPort),
    }
    const played = await run([join(EXAMPLE, 'run.ts')], env)
    assert.match(played, /^ {2}frame 19$/m)
    assert.match(played, /^vera renames a title: 403 .*policy\.denied/m)
    assert.match(played, /^edgar renames a title: 200 /m)
    assert.match(played, /saw a token of a person: 0$/m)
    const main = join(EXAMPLE, '../../src/main.ts')
    assert.match(await run([main, 'policy', 'test', '--config', join(EXAMPLE, 'ostiary.yaml')], env), /all as expected/)
  })

  it('has no use for the service’s identity token at its own door', async () => {
    const headers = catalog.seen.at(-1) ?? []
    const identity = headers[headers.findIndex(name => name.toLowerCase() === 'x-ostiary-identity') + 1] as string
    assert.match(identity, /^eyJ/)
    assert.equal((await get('/catalog/titles', identity)).status, 401)
  })
})
