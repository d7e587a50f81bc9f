import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { type AddressInfo, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { exportJWK, generateKeyPair } from 'jose'
import { until } from './gateway.ts'

/** Tables and first rows, as the package of Debian brings them. */
const SCHEMA = '/usr/share/dbconfig-common/data/glewlwyd/install/sqlite3'
const MODULES = '/usr/lib/glewlwyd'

/** Whether the package is installed here: `apt-get install glewlwyd`. */
export const hasGlewlwyd = existsSync(SCHEMA) && spawnSync('glewlwyd', ['--version']).error === undefined

/** The client that calls the gateway, which is also the one that the gateway asks as. */
export const CLIENT = { id: 'batch-job', secret: 'a-client-of-glewlwyd' }
const RESOURCE = 'https://api.example.com'
const SCOPE = 'ai.chat'

/** Glewlwyd, an identity provider of Debian written in C, with a database of its own, on loopback. */
export interface Glewlwyd extends AsyncDisposable {
  readonly issuer: string
  /** A token of the grant `client_credentials`; without a resource it is meant for whom its scopes name. */
  token(resource?: string | null): Promise<string>
  revoke(token: string): Promise<void>
  /** Signs with a new key from now on, and lets tokens live so many seconds; the key before is no longer published. */
  rotate(lifeSeconds?: number): Promise<void>
}

export async function startGlewlwyd(): Promise<Glewlwyd> {
  const folder = mkdtempSync(join(tmpdir(), 'glewlwyd-'))
  const port = await freePort()
  const url = `http://127.0.0.1:${port}`
  const config = join(folder, 'glewlwyd.conf')
  createDatabase(join(folder, 'db.sqlite'))
  writeFileSync(config, configOf(folder, port, url))
  const child = spawn('glewlwyd', ['--config-file', config], { cwd: folder, stdio: 'ignore' })
  const exited = once(child, 'exit')
  const stop = async () => {
    if (child.exitCode === null && child.signalCode === null) child.kill('SIGTERM')
    await exited
    rmSync(folder, { recursive: true, force: true })
  }
  try {
    await until('glewlwyd', () => isUp(child, url), 20_000)
    return { ...(await setUp(url)), [Symbol.asyncDispose]: stop }
  } catch (error) {
    const log = join(folder, 'glewlwyd.log')
    const said = existsSync(log) ? readFileSync(log, 'utf8').slice(-2000) : ''
    await stop()
    throw new Error(`glewlwyd does not serve: ${said}`, { cause: error })
  }
}

async function isUp(child: ChildProcess, url: string): Promise<boolean> {
  if (child.exitCode !== null) throw new Error(`glewlwyd ended with ${child.exitCode}`)
  return fetch(`${url}/config`).then(
    reply => reply.ok,
    () => false,
  )
}

/** By its API, as its administrator: a scope, a client, and the plugin that is the authorization server. */
async function setUp(url: string) {
  const login = await send(url, 'POST', '/api/auth/', { username: 'admin', password: 'password' })
  const cookie = login.headers.get('set-cookie')?.split(';', 1)[0] ?? ''
  const asAdmin = (method: string, path: string, body?: object) => send(url, method, path, body, { cookie })
  await asAdmin('POST', '/api/scope/', { name: SCOPE, display_name: SCOPE, password_required: false })
  await asAdmin('POST', '/api/client/', {
    client_id: CLIENT.id,
    password: CLIENT.secret,
    confidential: true,
    enabled: true,
    scope: [SCOPE],
    authorization_type: ['client_credentials'],
    token_endpoint_auth_method: ['client_secret_basic'],
    resource: [RESOURCE],
  })
  const issuer = `${url}/api/oidc`
  let keys = 0
  const parameters = async (lifeSeconds: number) => pluginParameters(issuer, `key-${++keys}`, lifeSeconds)
  const plugin = { module: 'oidc', name: 'oidc', display_name: 'OpenID Connect' }
  await asAdmin('POST', '/api/mod/plugin/', { ...plugin, parameters: await parameters(600) })
  const basic = `Basic ${Buffer.from(`${CLIENT.id}:${CLIENT.secret}`).toString('base64')}`
  const ask = async (path: string, form: Record<string, string>) =>
    send(url, 'POST', path, new URLSearchParams(form), { authorization: basic })
  return {
    issuer,
    async token(resource: string | null = RESOURCE) {
      const form = { grant_type: 'client_credentials', scope: SCOPE, ...(resource !== null && { resource }) }
      const { access_token } = (await (await ask('/api/oidc/token', form)).json()) as { access_token: string }
      return access_token
    },
    async revoke(token: string) {
      await ask('/api/oidc/revoke', { token })
    },
    async rotate(lifeSeconds = 600) {
      await asAdmin('PUT', '/api/mod/plugin/oidc', { ...plugin, parameters: await parameters(lifeSeconds) })
      await asAdmin('PUT', '/api/mod/plugin/oidc/reset')
    },
  }
}

async function pluginParameters(issuer: string, kid: string, lifeSeconds: number): Promise<object> {
  const { privateKey } = await generateKeyPair('RS256', { extractable: true })
  const key = { ...(await exportJWK(privateKey)), kid, alg: 'RS256', use: 'sig' }
  return {
    iss: issuer,
    'jwks-private': JSON.stringify({ keys: [key] }),
    'jwks-show': true,
    'access-token-duration': lifeSeconds,
    'refresh-token-duration': 600,
    'code-duration': 60,
    'auth-type-client-enabled': true,
    'allow-non-oidc': true,
    'introspection-revocation-allowed': true,
    'introspection-revocation-allow-target-client': true,
    'resource-allowed': true,
    'resource-client-property': 'resource',
    'resource-scope-and-client-property': false,
  }
}

async function send(
  url: string,
  method: string,
  path: string,
  body?: object,
  headers: Record<string, string> = {},
): Promise<Response> {
  const reply = await fetch(url + path, {
    method,
    headers: { ...headers, ...(!(body instanceof URLSearchParams) && { 'content-type': 'application/json' }) },
    body: body === undefined || body instanceof URLSearchParams ? (body ?? null) : JSON.stringify(body),
  })
  if (!reply.ok) throw new Error(`${method} ${path}: ${reply.status} ${await reply.text()}`)
  return reply
}

function createDatabase(file: string): void {
  using database = new DatabaseSync(file)
  database.exec(readFileSync(SCHEMA, 'utf8'))
}

function configOf(folder: string, port: number, url: string): string {
  const modules = ['user', 'client', 'user_auth_scheme:scheme', 'plugin'].map(name => {
    const [kind = '', directory = kind] = name.split(':')
    return `${kind}_module_path="${MODULES}/${directory}"`
  })
  return `
port=${port}
bind_address="127.0.0.1"
external_url="${url}"
login_url="login.html"
api_prefix="api"
log_mode="file"
log_level="WARNING"
log_file="${folder}/glewlwyd.log"
cookie_secure=0
session_key="GLEWLWYD2_SESSION_ID"
admin_scope="g_admin"
profile_scope="g_profile"
hash_algorithm="SHA512"
${modules.join('\n')}
database = { type = "sqlite3"; path = "${folder}/db.sqlite"; };
`
}

/** It cannot choose one itself. */
async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  await new Promise(resolve => server.close(resolve))
  return port
}
