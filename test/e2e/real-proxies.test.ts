import assert from 'node:assert/strict'
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir, userInfo } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { type Gateway, startGateway, until } from '../support/gateway.ts'
import { rawCall } from '../support/raw-call.ts'

/** A caller that is neither the proxy’s address nor the gateway’s. */
const CLIENT = '127.0.0.9'
const PATH = `${process.env.PATH}:/usr/sbin`

interface Proxy {
  /** Its configuration, in a folder of its own. */
  readonly config: (port: number, gatewayPort: number, folder: string) => string
  readonly args: (file: string) => string[]
}

const nginx = (header: string): Proxy => ({
  config: (port, gatewayPort, folder) => `
daemon off;
user ${userInfo().username};
pid ${folder}/pid;
error_log stderr error;
events {}
http {
  access_log off;
  ${['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map(name => `${name}_temp_path ${folder}/${name};`).join(' ')}
  upstream gateway { server 127.0.0.1:${gatewayPort}; keepalive 4; }
  server {
    listen 127.0.0.1:${port};
    location / {
      proxy_pass http://gateway;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_set_header Host $host;
      ${header}
    }
  }
}`,
  args: file => ['-c', file],
})

const haproxy = (server: string, option = ''): Proxy => ({
  config: (port, gatewayPort) => `
global
  nbthread 1
defaults
  mode http
  timeout client 30s
  timeout server 30s
  timeout connect 5s
frontend front
  bind 127.0.0.1:${port}
  ${option}
  default_backend gateway
backend gateway
  server gateway 127.0.0.1:${gatewayPort} ${server}
`,
  args: file => ['-db', '-q', '-f', file],
})

const caddy: Proxy = {
  config: (port, gatewayPort) => `{
  admin off
  auto_https off
}
http://:${port} {
  bind 127.0.0.1
  reverse_proxy 127.0.0.1:${gatewayPort}
}`,
  args: file => ['run', '--adapter', 'caddyfile', '--config', file],
}

const XFF = 'trustedProxies: [127.0.0.1], forwarded: x-forwarded-for'
const PROXY_PROTOCOL = 'trustedProxies: [127.0.0.1], proxyProtocol: required'

for (const [name, program, listener, proxy] of [
  [
    'nginx, which adds to the header',
    'nginx',
    XFF,
    nginx('proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;'),
  ],
  ['nginx, which replaces the header', 'nginx', XFF, nginx('proxy_set_header X-Forwarded-For $remote_addr;')],
  [
    'nginx with RFC 7239',
    'nginx',
    'trustedProxies: [127.0.0.1], forwarded: forwarded',
    nginx('proxy_set_header Forwarded "for=$remote_addr;proto=$scheme";'),
  ],
  ['HAProxy, which adds a header of its own', 'haproxy', XFF, haproxy('', 'option forwardfor')],
  [
    'HAProxy with RFC 7239',
    'haproxy',
    'trustedProxies: [127.0.0.1], forwarded: forwarded',
    haproxy('', 'http-request add-header Forwarded for=%[src]'),
  ],
  ['HAProxy with the PROXY protocol', 'haproxy', PROXY_PROTOCOL, haproxy('send-proxy-v2')],
  [
    'HAProxy with all that may follow the addresses',
    'haproxy',
    PROXY_PROTOCOL,
    haproxy('send-proxy-v2 proxy-v2-options crc32c,unique-id,authority'),
  ],
  ['Caddy', 'caddy', XFF, caddy],
] as const) {
  test(`behind ${name} the client is who it is, whatever it says itself`, async t => {
    if (!isThere(program)) {
      assert.notEqual(process.env.CI, 'true', `CI must have ${program}`)
      return t.skip(`needs ${program}`)
    }
    await using gateway = await startGateway({ yaml: `listeners: { public: { ${listener} } }\n` })
    const url = await startProxy(t, program, proxy, gateway)
    for (const lines of [
      [],
      ['X-Forwarded-For: 192.0.2.66'],
      ['Forwarded: for=192.0.2.66'],
      ['X-Real-IP: 192.0.2.66'],
    ]) {
      const reply = await rawCall({ url, from: CLIENT, key: gateway.testKey, lines })
      assert.equal(reply.status, 200, `${lines}: ${reply.text}`)
      assert.equal((await gateway.event(reply.id)).source, CLIENT, String(lines))
    }
    // Many callers over the proxy's few connections.
    const froms = Array.from({ length: 30 }, (_, n) => `127.0.1.${n + 1}`)
    const replies = await Promise.all(froms.map(from => rawCall({ url, from, key: gateway.testKey })))
    for (const [i, { status, id }] of replies.entries()) {
      assert.equal(status, 200)
      assert.equal((await gateway.event(id)).source, froms[i])
    }
  })
}

test('HAProxy’s own checks of a gateway with the PROXY protocol come from HAProxy', async t => {
  if (!isThere('haproxy')) return t.skip('needs haproxy')
  await using gateway = await startGateway({ yaml: `listeners: { public: { ${PROXY_PROTOCOL} } }\n` })
  const checks = haproxy('send-proxy-v2 check check-send-proxy inter 100ms', '')
  const config: Proxy['config'] = (...args) =>
    checks.config(...args).replace('\nbackend gateway', '\nbackend gateway\n  option httpchk GET /checked')
  await startProxy(t, 'haproxy', { ...checks, config }, gateway)
  await until('its checks', async () => {
    const events = await gateway.refusals()
    return events.some(({ source, problem }) => source === '127.0.0.1' && problem === 'auth.missing_credential')
  })
})

function isThere(program: string): boolean {
  return spawnSync('which', [program], { env: { PATH } }).status === 0
}

async function startProxy(t: TestContext, program: string, proxy: Proxy, gateway: Gateway): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), 'ostiary-proxy-'))
  const port = await freePort()
  const file = join(folder, 'config')
  writeFileSync(file, proxy.config(port, Number(new URL(gateway.url).port), folder))
  const child: ChildProcess = spawn(program, proxy.args(file), {
    env: { PATH, HOME: folder },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let said = ''
  for (const stream of [child.stdout, child.stderr]) stream?.on('data', text => (said += text))
  t.after(async () => {
    if (child.exitCode === null && child.signalCode === null) {
      // So that it ends its own children too.
      child.kill('SIGTERM')
      await once(child, 'exit')
    }
    rmSync(folder, { recursive: true, force: true })
  })
  const url = `http://127.0.0.1:${port}`
  await until(`${program}`, async () => {
    assert.equal(child.exitCode, null, said)
    return (await rawCall({ url, from: CLIENT, path: '/' })).status === 401
  })
  return url
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as { port: number }
  await new Promise(resolve => server.close(resolve))
  return port
}
