import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { startOstiary } from './ostiary.ts'
import { allCores, measuredCore, type Server, startServer } from './processes.ts'
import { haproxyConfig, nginxConfig, proxyKey } from './proxy-configs.ts'

export interface RunningPeer {
  readonly server: Server
  /** Of the chat-completions endpoint. */
  readonly url: string
  /** What a call must carry to be answered 200. */
  readonly headers: Readonly<Record<string, string>>
}

export interface Peer {
  readonly name: string
  /** Whether a call with a wrong key is answered 401. */
  readonly checksKey: boolean
  /** Whether the answer is the upstream's; otherwise its own. */
  readonly forwards: boolean
  /** undefined = not installed. */
  version(): string | undefined
  start(port: number, upstreamPort: number): Promise<RunningPeer>
}

const node = process.execPath
const here = import.meta.dirname
const chatUrl = (port: number) => `http://127.0.0.1:${port}/v1/chat/completions`
const bearer = (key: string) => ({ authorization: `Bearer ${key}` })

const nginx: Peer = {
  name: 'nginx',
  checksKey: true,
  forwards: true,
  version: () => /nginx\/([\d.]+)/.exec(printed('nginx', '-v'))?.[1],
  start: async (port, upstreamPort) => ({
    server: startServer({
      name: 'nginx',
      cores: measuredCore,
      command: ['nginx', '-e', 'stderr', '-c', nginxConfig(port, upstreamPort)],
    }),
    url: chatUrl(port),
    headers: bearer(proxyKey),
  }),
}

const haproxy: Peer = {
  name: 'haproxy',
  checksKey: true,
  forwards: true,
  version: () => /version ([\d.]+)/.exec(printed('haproxy', '-v'))?.[1],
  start: async (port, upstreamPort) => ({
    server: startServer({
      name: 'haproxy',
      cores: measuredCore,
      command: ['haproxy', '-db', '-f', haproxyConfig(port, upstreamPort)],
    }),
    url: chatUrl(port),
    headers: bearer(proxyKey),
  }),
}

const portkeyDirectory = join(here, 'peers', 'node_modules', '@portkey-ai', 'gateway')

const portkey: Peer = {
  name: 'portkey',
  checksKey: false,
  forwards: true,
  version: () => {
    installPeers()
    const manifest = join(portkeyDirectory, 'package.json')
    return existsSync(manifest) ? JSON.parse(readFileSync(manifest, 'utf8')).version : undefined
  },
  start: async (port, upstreamPort) => ({
    server: startServer({
      name: 'portkey',
      cores: measuredCore,
      command: [node, join(portkeyDirectory, 'build', 'start-server.js'), `--port=${port}`, '--headless'],
      env: { NODE_ENV: 'production' },
    }),
    url: chatUrl(port),
    headers: {
      ...bearer(proxyKey),
      'x-portkey-provider': 'openai',
      'x-portkey-custom-host': `http://127.0.0.1:${upstreamPort}/v1`,
    },
  }),
}

/** Installs what bench/peers/package-lock.json pins, if it is not there. Without a network the peer is skipped. */
function installPeers(): void {
  if (existsSync(portkeyDirectory)) return
  const options = ['ci', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error']
  spawnSync('npm', options, { cwd: join(here, 'peers'), stdio: ['ignore', 2, 2] })
}

export const bareNode: Peer = {
  name: 'bare-node',
  checksKey: false,
  forwards: false,
  version: () => process.version,
  start: async port => ({
    server: startServer({
      name: 'bare-node',
      cores: measuredCore,
      command: [node, join(here, 'bare-node.ts'), `${port}`],
    }),
    url: chatUrl(port),
    headers: bearer(proxyKey),
  }),
}

const bareProxy: Peer = {
  name: 'bare-proxy',
  checksKey: false,
  forwards: true,
  version: () => process.version,
  start: async (port, upstreamPort) => ({
    server: startServer({
      name: 'bare-proxy',
      cores: measuredCore,
      command: [node, join(here, 'bare-proxy.ts'), `${port}`, `${upstreamPort}`],
    }),
    url: chatUrl(port),
    headers: bearer(proxyKey),
  }),
}

const ostiaryOn = (name: string, cores: string, workers: number | 'auto'): Peer => ({
  name,
  checksKey: true,
  forwards: true,
  version: () => JSON.parse(readFileSync(join(here, '..', 'package.json'), 'utf8')).version,
  start: (port, upstreamPort) => startOstiary({ cores, workers, port, upstreamPort }),
})

export const ostiary = ostiaryOn('ostiary', measuredCore, 1)

export const peers: readonly Peer[] = [
  nginx,
  haproxy,
  portkey,
  bareNode,
  bareProxy,
  ostiary,
  ostiaryOn('ostiary (all cores)', allCores, 'auto'),
]

function printed(command: string, option: string): string {
  const { stdout, stderr } = spawnSync(command, [option], { encoding: 'utf8' })
  return `${stdout ?? ''}${stderr ?? ''}`
}
