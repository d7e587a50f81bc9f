import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import type { IncomingHttpHeaders } from 'node:http'
import { request } from 'node:https'
import { type AddressInfo, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { makeCertificate } from './certificate.ts'
import { until } from './gateway.ts'

/** The host that the recipes of the guide are for. */
export const HOST = 'app.example.com'

/** Whether a program is installed here. */
export const isInstalled = (program: string, argument: string): boolean =>
  spawnSync(program, [argument]).error === undefined

/** A real proxy by the recipe of the guide, before a backend on loopback. */
export interface EdgeProxy extends AsyncDisposable {
  /** One request, path and headers as given. */
  ask(path: string, options?: { method?: string; headers?: Headers; body?: string }): Promise<EdgeReply>
}

type Headers = Readonly<Record<string, string | readonly string[]>>

export interface EdgeReply {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly text: string
}

interface EdgeOptions {
  readonly gatewayUrl: string
  readonly backendUrl: string
  readonly secret: string
}

/** The block of this kind in the guide. */
function recipeOf(kind: 'nginx' | 'caddyfile'): string {
  const guide = readFileSync('docs/guide/decision-api.md', 'utf8')
  const block = new RegExp(`^\`\`\`${kind} recipe\\n(.*?)^\`\`\`$`, 'ms').exec(guide)?.[1]
  if (block === undefined) throw new Error(`the guide has no recipe for ${kind}`)
  return block
}

/** Puts what this machine has in the place of what the recipe says; each must stand in it. */
function adapt(recipe: string, changes: Readonly<Record<string, string>>): string {
  return Object.entries(changes).reduce((text, [from, to]) => {
    if (!text.includes(from)) throw new Error(`the recipe does not say ${from}`)
    return text.replaceAll(from, to)
  }, recipe)
}

export async function startNginx({ gatewayUrl, backendUrl, secret }: EdgeOptions): Promise<EdgeProxy> {
  const folder = makeFolder()
  const port = await freePort()
  const site = adapt(recipeOf('nginx'), {
    '127.0.0.1:8400': new URL(gatewayUrl).host,
    '127.0.0.1:3000': new URL(backendUrl).host,
    'listen 443 ssl': `listen 127.0.0.1:${port} ssl`,
    '/etc/nginx/app.crt': join(folder, 'cert.pem'),
    '/etc/nginx/app.key': join(folder, 'key.pem'),
    '/etc/nginx/ostiary-secret.conf': join(folder, 'secret.conf'),
  })
  writeFileSync(join(folder, 'secret.conf'), `proxy_set_header X-Ostiary-Proxy-Secret "${secret}";\n`, { mode: 0o600 })
  writeFileSync(
    join(folder, 'nginx.conf'),
    `daemon off;
${process.getuid?.() === 0 ? 'user root;' : ''}
pid ${folder}/pid;
error_log stderr warn;
events {}
http {
  access_log off;
  client_body_temp_path ${folder}/body;
  proxy_temp_path ${folder}/proxy;
  fastcgi_temp_path ${folder}/fastcgi;
  uwsgi_temp_path ${folder}/uwsgi;
  scgi_temp_path ${folder}/scgi;
${site}
}
`,
  )
  const child = spawn('nginx', ['-e', 'stderr', '-p', folder, '-c', join(folder, 'nginx.conf')], {
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  return edge(child, folder, port)
}

export async function startCaddy({ gatewayUrl, backendUrl, secret }: EdgeOptions): Promise<EdgeProxy> {
  const folder = makeFolder()
  const port = await freePort()
  const site = adapt(recipeOf('caddyfile'), {
    '127.0.0.1:8400': new URL(gatewayUrl).host,
    '127.0.0.1:3000': new URL(backendUrl).host,
    'app.example.com {\n': `https://app.example.com:${port} {\n\tbind 127.0.0.1\n\ttls ${folder}/cert.pem ${folder}/key.pem\n`,
  })
  const file = join(folder, 'Caddyfile')
  writeFileSync(file, `{\n\tadmin off\n\tauto_https off\n}\n${site}`)
  const child = spawn('caddy', ['run', '--config', file, '--adapter', 'caddyfile'], {
    env: { PATH: process.env.PATH, HOME: folder, CATALOG_PROXY_SECRET: secret },
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  return edge(child, folder, port)
}

async function edge(child: ChildProcess, folder: string, port: number): Promise<EdgeProxy> {
  let said = ''
  child.stderr?.on('data', chunk => {
    said = (said + chunk).slice(-4000)
  })
  const exited = once(child, 'exit')
  const proxy: EdgeProxy = {
    ask: (path, options) => askEdge(port, path, options),
    async [Symbol.asyncDispose]() {
      if (child.exitCode === null && child.signalCode === null) child.kill('SIGTERM')
      await exited
      rmSync(folder, { recursive: true, force: true })
    },
  }
  try {
    await until(
      'the proxy',
      () => {
        if (child.exitCode !== null) throw new Error(`ended with ${child.exitCode}`)
        return proxy.ask('/').then(
          () => true,
          () => false,
        )
      },
      20_000,
    )
    return proxy
  } catch (error) {
    await proxy[Symbol.asyncDispose]()
    throw new Error(`the proxy does not serve: ${said}`, { cause: error })
  }
}

function askEdge(
  port: number,
  path: string,
  { method = 'GET', headers = {}, body }: { method?: string; headers?: Headers; body?: string } = {},
): Promise<EdgeReply> {
  return new Promise((resolve, reject) => {
    const req = request(
      {
        host: '127.0.0.1',
        port,
        servername: HOST,
        rejectUnauthorized: false,
        agent: false,
        method,
        path,
        headers: { host: HOST, ...(headers as Record<string, string>) },
      },
      res => {
        let text = ''
        res.setEncoding('utf8').on('data', chunk => {
          text += chunk
        })
        res.on('end', () => resolve({ status: res.statusCode ?? 0, headers: res.headers, text }))
        res.on('error', reject)
      },
    )
    req.on('error', reject)
    req.end(body)
  })
}

function makeFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'edge-'))
  const { key } = makeCertificate(folder, HOST)
  writeFileSync(join(folder, 'key.pem'), key, { mode: 0o600 })
  return folder
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, 'close')
  return port
}
