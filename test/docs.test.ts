import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, globSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { commandTable } from '#cli/command-table.ts'
import { loadConfig } from '#config/load.ts'
import { callProblems } from '#core/call-problems.ts'
import { adminScopes } from '#core/operator.ts'
import { problemTypes } from '#core/problems.ts'
import { createDeployment, type Deployment, type GatewayProcess, runCli, startProcess } from './support/process.ts'
import { type Provider, startProvider } from './support/provider.ts'

const documents = [...globSync('*.md'), ...globSync('docs/**/*.md')].sort()
const read = (file: string) => readFileSync(file, 'utf8')

/** A fenced block: the words after the fence, and the text. */
interface Block {
  readonly file: string
  readonly info: string
  readonly text: string
}

const blocks: readonly Block[] = documents.flatMap(file =>
  [...read(file).matchAll(/^```([^\n]*)\n(.*?)^```$/gms)].map(([, info = '', text = '']) => ({ file, info, text })),
)

/** What stands outside fenced blocks. */
const prose = (file: string) => read(file).replace(/^```.*?^```$/gms, '')

describe('links', () => {
  it('lead somewhere', () => {
    const broken = documents.flatMap(file => {
      const links = [...prose(file).matchAll(/\]\(([^)\s]+)\)/g)].map(([, target = '']) => target)
      return links
        .filter(target => !target.startsWith('https:') && isBroken(file, target))
        .map(target => `${file}: ${target}`)
    })
    assert.deepEqual(broken, [])
  })

  it('reach every document from README.md', () => {
    const reached = new Set(['README.md'])
    for (const file of reached) {
      for (const [, target = ''] of prose(file).matchAll(/\]\(([^)#\s]+\.md)[^)]*\)/g)) {
        const found = join(dirname(file), target)
        if (!target.startsWith('https:') && existsSync(found)) reached.add(found)
      }
    }
    assert.deepEqual(
      documents.filter(file => !reached.has(file)),
      [],
    )
  })
})

function isBroken(file: string, target: string): boolean {
  const [path = '', anchor] = target.split('#')
  const found = path === '' ? file : join(dirname(file), path)
  if (!existsSync(found)) return true
  return anchor !== undefined && !anchorsOf(found).includes(anchor)
}

/** As hosting platforms make them of headings. */
function anchorsOf(file: string): string[] {
  return [...prose(file).matchAll(/^#+ (.+)$/gm)].map(([, heading = '']) =>
    heading
      .toLowerCase()
      .replace(/[^\p{L}\p{N} _-]/gu, '')
      .replaceAll(' ', '-'),
  )
}

describe('names in the documents', () => {
  it('of files are of files that exist', () => {
    const named = documents.flatMap(file =>
      [...prose(file).matchAll(/`((?:src|test|scripts|bench|docs)\/[\w./*-]*)`/g)].map(([, path = '']) => path),
    )
    assert.deepEqual(
      [...new Set(named)].filter(path => globSync(path).length === 0),
      [],
    )
  })

  it('of problems are those of the registry', () => {
    const families = new Set(Object.keys(problemTypes).map(code => code.split('.')[0]))
    // Types of events are written alike.
    const events = read('src/core/events.ts')
    const isEvent = (code: string) => {
      const [family, name] = code.split('.')
      return events.includes(`'${code}'`) || new RegExp(`\`${family}\\.\\$\\{[^}]*'${name}'`).test(events)
    }
    const unknown = documents
      // Its headings are sections of the configuration.
      .filter(file => file !== join('docs', 'reference', 'configuration.md'))
      .flatMap(file => [...prose(file).matchAll(/`([a-z]+\.[a-z_]+)`/g)].map(([, code = '']) => code))
      .filter(code => families.has(code.split('.')[0] ?? '') && !(code in problemTypes) && !isEvent(code))
    assert.deepEqual(unknown, [])
    const pages = readdirSync('docs/reference/problems').filter(name => name !== 'README.md')
    assert.deepEqual(pages.map(name => name.replace(/\.md$/, '')).sort(), Object.keys(problemTypes).sort())
  })

  it('of variables mean something to the configuration', () => {
    const reference = read('docs/reference/configuration.md')
    const known = (name: string) =>
      reference.includes(`\`${name}\``) ||
      reference.includes(name.replace(/_(PROVIDERS|MODELS)_[A-Z]+_/, '_$1_<NAME>_'))
    const named = documents.flatMap(file => read(file).match(/\bOSTIARY_[A-Z_]+[A-Z]\b/g) ?? [])
    assert.deepEqual(
      [...new Set(named)].filter(name => !known(name)),
      [],
    )
  })

  it('of commands and their options are those that help prints', async () => {
    const { stdout } = await runCli({}, '--help')
    const names = [...stdout.matchAll(/^ {2}([\w-]+)/gm)].map(([, name = '']) => name)
    const helps = new Map(
      await Promise.all(names.map(async name => [name, (await runCli({}, name, '--help')).stdout] as const)),
    )
    const lines = documents.flatMap(file =>
      [...read(file).matchAll(new RegExp(`\\bostiary ((?:${names.join('|')})\\b[^\`\\n)#;]*)`, 'g'))].map(
        ([, line = '']) => line,
      ),
    )
    assert.ok(lines.length > 10)
    assert.deepEqual(
      lines.filter(line => !isExplained(line, helps)),
      [],
    )
    assert.deepEqual(
      names.filter(name => !documents.some(file => read(file).includes(`ostiary ${name}`))),
      [],
    )
  })

  it('of commands, scopes and 503s are all there, each in the table of its page', () => {
    const rows = (file: string) => prose(`docs/guide/${file}`).replace(/^(?!\|).*$/gm, '')
    const commands = Object.keys(commandTable).filter(name => !/^(?:help|version)$/.test(name))
    const missing = [
      ...commands.filter(name => !rows('command-line.md').includes(`\`ostiary ${name}\``)),
      ...adminScopes.filter(scope => {
        const [room = ''] = scope.split(':')
        return !new RegExp(`\`(?:${scope}|${room})\``).test(rows('admin-api.md'))
      }),
      ...Object.entries(callProblems)
        .filter(([code, { status }]) => status === 503 && !rows('errors.md').includes(code))
        .map(([code]) => code),
    ]
    assert.deepEqual(missing, [])
  })

  it('of dependencies are those of package.json, each with its reason', () => {
    const { dependencies, optionalDependencies, devDependencies } = JSON.parse(read('package.json'))
    const rows = [...read('docs/decisions/0020-dependencies.md').matchAll(/^\| `([^`]+)` \| ./gm)].map(
      ([, name]) => name,
    )
    assert.deepEqual(rows.sort(), Object.keys({ ...dependencies, ...optionalDependencies, ...devDependencies }).sort())
  })

  it('of rooms are those of src', () => {
    const layout = read('ARCHITECTURE.md')
    const rooms = readdirSync('src', { withFileTypes: true }).filter(({ name }) => !name.endsWith('.test.ts'))
    assert.deepEqual(
      rooms
        .map(entry => (entry.isDirectory() ? `${entry.name}/` : entry.name))
        .filter(name => !layout.includes(`\n  ${name} `)),
      [],
    )
  })
})

function isExplained(line: string, helps: ReadonlyMap<string, string>): boolean {
  const [name = '', ...words] = line.trim().split(/\s+/)
  const help = helps.get(name)
  if (help === undefined) return false
  const [command] = words.filter(word => /^[a-z]+$/.test(word))
  const options = words.flatMap(word => /^\[?(--[a-z]+)/.exec(word)?.[1] ?? [])
  const isGroup = help.startsWith(`Usage: ostiary ${name} <command>`)
  if (isGroup && command !== undefined && !new RegExp(`^ {2}${command}(?: |$)`, 'm').test(help)) return false
  return options.every(option => help.includes(option))
}

describe('numbers in ARCHITECTURE.md', () => {
  const quoted: readonly (readonly [file: string, constant: string, text: (value: string) => string])[] = [
    ['src/audit/event-queue.ts', 'MAX_BATCH', value => `batches of up to ${value}`],
    ['src/audit/event-queue.ts', 'BATCH_DELAY_MS', value => `at the latest ${value} ms`],
    ['src/audit/recorder.ts', 'REFUSALS_DELAY_MS', value => `for ${value} ms`],
    ['src/audit/recorder.ts', 'MAX_REFUSAL_GROUPS', value => `${value} groups`],
    ['src/audit/event-queue.ts', 'MAX_WAITING', value => `once ${value} do`],
    ['src/core/revocation.ts', 'REVOCATION_BOUND_MS', value => `at most\n**${value} ms**`],
    ['src/issuers/introspection/question-turns.ts', 'MAX_AT_ONCE', value => `${value} at once`],
    ['src/issuers/introspection/question-turns.ts', 'MAX_WAITING', value => `${value} waiting`],
  ]
  for (const [file, constant, text] of quoted) {
    it(`say what ${constant} is`, () => {
      const value = new RegExp(`${constant} = (\\d+)`).exec(read(file))?.[1]
      assert.ok(value !== undefined, `${constant} is no longer in ${file}`)
      assert.ok(read('ARCHITECTURE.md').includes(text(value)), text(value))
    })
  }
})

describe('configurations', () => {
  for (const [index, { file, text }] of blocks.filter(({ info }) => info === 'yaml config').entries()) {
    it(`load: ${file}, number ${index + 1}`, () => {
      const folder = mkdtempSync(join(tmpdir(), 'ostiary-docs-'))
      try {
        const name = join(folder, 'ostiary.yaml')
        // Whatever secret it refers to is there.
        const yaml = text.replace(/\b(?:env|file):(?!DATABASE_URL)[\w/-]+/g, 'env:SECRET')
        writeFileSync(name, yaml)
        loadConfig({
          env: { SECRET: `whsec_${'A'.repeat(32)}`, DATABASE_URL: 'postgres://u:p@localhost/d' },
          file: name,
        })
      } finally {
        rmSync(folder, { recursive: true })
      }
    })
  }
})

describe('commands', { skip: process.platform === 'win32' && 'the blocks are for a POSIX shell' }, () => {
  let deployment: Deployment
  let gateway: GatewayProcess
  let service: Provider

  before(async () => {
    // As after a checkout: the data directory is below the folder in which the gateway starts.
    // The guides revoke tokens of an issuer, which need not be there for that.
    const issuer = '{ issuer: http://127.0.0.1:9, jwksUrl: http://127.0.0.1:9/keys, audience: [ostiary] }'
    service = await startProvider(({ path }, res) => void res.end(`the service was asked for ${path}\n`))
    const services = `{ catalog: { url: '${service.url}', path: /catalog, tags: [test] } }`
    const yaml = `issuers: { company: ${issuer} }\nservices: ${services}\n`
    deployment = createDeployment(yaml, { OSTIARY_DATA_DIR: '.ostiary' })
    gateway = await startProcess(deployment)
  })

  after(async () => {
    await gateway?.[Symbol.asyncDispose]()
    deployment?.[Symbol.dispose]()
    await service?.[Symbol.asyncDispose]()
  })

  const runnable = blocks.filter(({ info }) => info === 'sh run')

  it('are there to be run', () => assert.ok(runnable.length > 5))

  for (const { file, text } of runnable) {
    it(`of ${file} work: ${text.split('\n', 1)[0]}`, async () => {
      const script = text
        .replaceAll('http://localhost:8400', gateway.url)
        .replaceAll('http://localhost:8401', gateway.adminUrl)
      const { code, output } = await runScript(deployment, script, {
        GATEWAY_KEY: gateway.testKey,
        // Where the system chose the port, the configuration does not tell the CLI.
        OSTIARY_LISTENERS_ADMIN_URL: gateway.adminUrl,
      })
      assert.equal(code, 0, output)
      assert.notEqual(output.trim(), '')
    })
  }
})

/** What a reader's shell has: `npx ostiary` of the checkout, and a curl that fails where the answer is an error. */
const PRELUDE = `set -eu
npx() { test "$1" = ostiary; shift; "$NODE" "$MAIN" "$@"; }
curl() { command curl --silent --show-error --fail-with-body --max-time 20 "$@"; }
`

async function runScript(
  { folder, env }: Deployment,
  script: string,
  more: Readonly<Record<string, string>>,
): Promise<{ readonly code: number | null; readonly output: string }> {
  const child = spawn('sh', ['-c', PRELUDE + script], {
    cwd: folder,
    env: { ...env, ...more, NODE: process.execPath, MAIN: resolve('src/main.ts') },
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: 60_000,
  })
  const pieces: string[] = []
  for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', text => pieces.push(text))
  const [code] = await once(child, 'close')
  return { code, output: pieces.join('') }
}
