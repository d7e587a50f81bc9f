import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { cpSync, globSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { describe, it } from 'node:test'
import { problemTypes } from '#core/problems.ts'
import { findFault, readMutations } from '../scripts/mutation-list.ts'

const sources = globSync('src/**/*.ts').filter(file => !file.endsWith('.test.ts'))
const read = (file: string) => readFileSync(file, 'utf8')

describe('layers', () => {
  const rooms = readdirSync('src', { withFileTypes: true })
    .filter(entry => entry.isDirectory())
    .map(entry => entry.name)

  it('refuses an upward import, a sideways import and a path out of the folder', () => {
    assert.match(lint('src/core', "import '#store/ports.ts'"), /src\/core may import from no other folder/)
    assert.match(lint('src/store', "import '#gateway/pipeline.ts'"), /src\/store may import from core/)
    assert.match(lint('src/store', "import '#http/paths.ts'"), /src\/store may import from core/)
    assert.match(lint('src/gateway', "import '#config/load.ts'"), /src\/gateway may import from/)
    assert.match(lint('src/gateway', "import '#app.ts'"), /src\/gateway may import from/)
    assert.match(lint('src/auth', "import '../core/ids.ts'"), /import by #folder\/file\.ts/)
  })

  it('refuses them in re-exports and dynamic imports too', () => {
    assert.match(lint('src/core', "export * from '#store/ports.ts'"), /src\/core may import/)
    assert.match(lint('src/core', "export const late = import('#store/ports.ts')"), /src\/core may import/)
  })

  it('allows a downward import', () => {
    assert.doesNotMatch(lint('src/gateway', "import '#core/ids.ts'"), /may import/)
  })

  it('has a rule for every room', () => {
    const config = JSON.parse(read('biome.json')) as { overrides: { includes: string[] }[] }
    const ruled = config.overrides.flatMap(override => override.includes)
    assert.deepEqual(
      rooms.map(room => `src/${room}/**`).filter(room => !ruled.includes(room)),
      [],
    )
  })
})

describe('files', () => {
  it('have at most 400 lines', () => {
    assert.deepEqual(
      sources.filter(file => read(file).split('\n').length > 401 && !read(file).startsWith('// Generated')),
      [],
    )
  })

  it('have no name that says nothing', () => {
    const vague = /(?:^|[/-])(?:utils?|helpers?|common|manager|misc)(?:[/.-]|$)/
    assert.deepEqual(
      sources.filter(file => vague.test(file)),
      [],
    )
  })

  it('keep the request’s life on one screen', () => {
    assert.ok(read('src/gateway/pipeline.ts').split('\n').length <= 65)
  })
})

describe('lockfiles', () => {
  // npm leaves out what this machine does not install where it locks beside a node_modules; `npm ci` then fails elsewhere.
  for (const folder of ['.', join('bench', 'peers'), join('test', 'postgres')]) {
    it(`of ${folder} hold every platform’s packages`, () => {
      const { packages } = JSON.parse(read(join(folder, 'package-lock.json'))) as {
        packages: Record<string, LockEntry>
      }
      const names = Object.values(packages).flatMap(entry => Object.keys(entry.optionalDependencies ?? {}))
      const locked = new Set(Object.keys(packages).map(path => path.split('node_modules/').at(-1)))
      assert.deepEqual(
        names.filter(name => !locked.has(name)),
        [],
      )
      assert.deepEqual(
        Object.keys(packages).filter(path => path !== '' && packages[path]?.version === undefined),
        [],
      )
    })
  }
})

describe('habits', () => {
  it('reveal secrets in the few places that need their value', () => {
    const places = sources.filter(file => /\.reveal\(\)/.test(read(file)))
    assert.deepEqual(places.sort(), [
      'src/admin/operations/keys-create.ts', // shown once
      'src/admin/operations/keys-rotate.ts', // shown once
      'src/admin/operations/tokens-create.ts', // shown once
      'src/audit/sigv4.ts', // signs what is put into a bucket
      'src/audit/webhook-anchor.ts', // signs what is posted
      'src/cli/admin-client.ts', // the operator's token, sent
      'src/cli/open-audit.ts', // the connection
      'src/cli/policy-explain.ts', // a token to explain, of which the claims are read
      'src/cli/secrets.ts', // sent to the admin listener
      'src/cli/start.ts', // the first key, shown once
      'src/cli/token-names.ts', // a token to revoke, of which its names are read
      'src/config/changes.ts', // compared
      'src/config/pending.ts', // checked
      'src/config/secrets.ts', // handed to another thread
      'src/database.ts', // the connection
      'src/gateway/forward.ts', // the provider's credential
      'src/gateway/service-request.ts', // the service’s credential, or the caller’s own token
      'src/issuers/introspection/ask-introspection.ts', // the gateway’s client at the issuer
      'src/offline.ts', // the connection
      'src/proxies/known-proxies.ts', // compared
      'src/secrets/envelope.ts', // sealed
      'src/secrets/sealed-stream.ts', // the passphrase of a backup
      'src/worker.ts', // the connection
    ])
  })

  it('ask a connection for its address in the few places that know what it is worth', () => {
    const places = sources.filter(file => /\.remoteAddress\b/.test(read(file)))
    assert.deepEqual(places.sort(), [
      'src/admin/caller.ts', // no proxy speaks there
      'src/admin/guard.ts', // the same
      'src/http/listener.ts', // of a connection that is taken no more
      'src/http/peer.ts', // who a proxy in front speaks for, else the peer
    ])
  })

  it('use every registered problem', () => {
    const elsewhere = sources
      .filter(file => file !== join('src', 'core', 'problem-types.ts'))
      .map(read)
      .join('\n')
    assert.deepEqual(
      Object.keys(problemTypes).filter(code => !elsewhere.includes(`'${code}'`)),
      [],
    )
  })

  it('keep the list of mutations true: each can be applied', () => {
    assert.deepEqual(
      readMutations()
        .map(findFault)
        .filter(fault => fault !== undefined),
      [],
    )
  })

  it('never switch a test off or leave it alone on', () => {
    const tests = [...globSync('src/**/*.test.ts'), ...globSync('test/**/*.test.ts')].filter(
      file => !file.includes('node_modules') && file !== join('test', 'tidy.test.ts'),
    )
    assert.deepEqual(
      tests.filter(file => /\b(?:it|test|describe)\.(?:only|todo)\(/.test(read(file))),
      [],
    )
  })

  it('make a Principal in one place only', () => {
    assert.deepEqual(
      sources.filter(file => /\bas Principal\b/.test(read(file))),
      ['src/auth/authenticate.ts'],
    )
    assert.deepEqual(
      sources.filter(file => /\bas Grant\b/.test(read(file))),
      ['src/policy/authorize.ts'],
    )
    assert.deepEqual(
      sources.filter(file => /\bas Input\b/.test(read(file))),
      ['src/gateway/read-input.ts'],
    )
  })
})

interface LockEntry {
  readonly version?: string
  readonly optionalDependencies?: Readonly<Record<string, string>>
}

/** What the linter says, under the project's rules, of a file in a folder; in a tree of its own, so that nobody else meets the file. */
function lint(folder: string, code: string): string {
  const tree = mkdtempSync(join(tmpdir(), 'ostiary-tidy-'))
  try {
    cpSync('biome.json', join(tree, 'biome.json'))
    mkdirSync(join(tree, folder), { recursive: true })
    writeFileSync(join(tree, folder, 'x.ts'), `${code}\n`)
    const biome = resolve('node_modules', '.bin', 'biome')
    const { stdout, stderr } = spawnSync(biome, ['lint', 'src'], { cwd: tree, encoding: 'utf8' })
    return stdout + stderr
  } finally {
    rmSync(tree, { recursive: true })
  }
}
