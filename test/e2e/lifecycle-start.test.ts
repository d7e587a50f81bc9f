import assert from 'node:assert/strict'
import { once } from 'node:events'
import { globSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { createServer, type Server } from 'node:net'
import { networkInterfaces } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { startOstiary } from '#app.ts'
import { type Problem, problemTypes } from '#core/problems.ts'
import {
  callOnce,
  createDeployment,
  type Deployment,
  type Finished,
  type GatewayProcess,
  runProgram,
  startProcess,
} from '../support/process.ts'

const FIRST_ANSWER_WITHIN_MS = 15_000
const hasIpv6 = Object.values(networkInterfaces()).some(list => list?.some(({ address }) => address === '::1'))

/** A refusal says what is wrong by its code, where, and what to do; it shows no stack. */
function assertRefused(finished: Finished, exit: number, code: keyof typeof problemTypes, where: RegExp): void {
  assert.deepEqual([finished.code, finished.signal, finished.stdout], [exit, null, ''], finished.stderr)
  const [first, ...rest] = finished.stderr.trimEnd().split('\n')
  assert.equal(first, `${problemTypes[code].title} (${code})`)
  assert.equal(rest.pop(), problemTypes[code].help)
  assert.match(rest.join('\n'), where)
  assert.doesNotMatch(finished.stderr, /^\s+at /m)
}

/** The same within this process, where no program is needed to see it. */
async function assertRefusal(env: Deployment['env'], code: keyof typeof problemTypes, where: RegExp): Promise<void> {
  await assert.rejects(
    async () => {
      await using _started = await startOstiary({ env: { ...env, OSTIARY_LOG_LEVEL: 'silent' } })
    },
    (error: Problem) => {
      assert.deepEqual([error.name, error.code], ['Problem', code], String(error.stack))
      assert.match(error.detail ?? '', where)
      return true
    },
  )
}

async function occupy(host: string, options: { port?: number; reusePort?: boolean } = {}): Promise<Server> {
  const server = createServer(socket => socket.destroy()).listen({ host, port: 0, ...options })
  await once(server, 'listening')
  return server
}

const portOf = (server: Server) => (server.address() as { port: number }).port

describe('the first start', () => {
  let deployment: Deployment
  let gateway: GatewayProcess
  let firstAnswerMs: number
  before(async () => {
    const made = createDeployment()
    // What is compiled goes to the data directory, unless the operator has it elsewhere.
    const { NODE_COMPILE_CACHE: _, ...env } = made.env
    deployment = { ...made, env }
    const begun = performance.now()
    const umask = process.umask(0)
    const starting = startProcess(deployment)
    process.umask(umask)
    gateway = await starting
    assert.equal((await callOnce(gateway.url, gateway.testKey)).status, 200)
    firstAnswerMs = performance.now() - begun
  })
  after(async () => {
    await gateway?.[Symbol.asyncDispose]()
    deployment?.[Symbol.dispose]()
  })

  test('prints a key that works at once', t => {
    t.diagnostic(`ready after ${gateway.startMs.toFixed()} ms, first answer after ${firstAnswerMs.toFixed()} ms`)
    assert.ok(firstAnswerMs < FIRST_ANSWER_WITHIN_MS, `${firstAnswerMs} ms`)
    assert.match(gateway.testKey, /^sk_test_[0-9A-Za-z]{42}$/)
    assert.equal(gateway.stdout().split(gateway.testKey).length, 3, 'shown as itself and in the example')
    assert.equal(gateway.stderr(), '')
  })

  test('makes files for their owner only, whatever the umask', {
    skip: process.platform === 'win32' && 'Windows has no modes',
  }, () => {
    const modeOf = (name: string) => (statSync(join(deployment.dataDirectory, name)).mode & 0o777).toString(8)
    // Compiled code is no secret, and below a directory that nobody else may enter.
    const modes = globSync('*', { cwd: deployment.dataDirectory })
      .filter(name => name !== 'cache')
      .map(name => [name, modeOf(name)] as const)
    assert.equal(modeOf('.'), '700')
    assert.deepEqual(
      modes.filter(([, mode]) => mode !== '600'),
      [],
    )
    const expected = ['bootstrap-token', 'deployment-secret', 'key-encryption-key', 'lock', 'ostiary.db', 'pepper']
    assert.deepEqual(
      expected.filter(name => !modes.some(([file]) => file === name)),
      [],
    )
  })

  test('goes on where a second one on its data directory is refused', async () => {
    const files = () => globSync('*', { cwd: deployment.dataDirectory }).sort()
    const before = files()
    assertRefused(await runProgram(deployment, ['start']), 1, 'start.data_directory_in_use', /\/data$/)
    assert.deepEqual(files(), before)
    assert.equal((await callOnce(gateway.url, gateway.testKey)).status, 200)
  })

  test('leaves its key and what it compiled to a later one, which prints none', async t => {
    gateway.kill('SIGTERM')
    await gateway.exited
    assert.ok(globSync('cache/**/*', { cwd: deployment.dataDirectory }).length > 100)
    const begun = performance.now()
    await using later = await startProcess(deployment)
    assert.equal((await callOnce(later.url, gateway.testKey)).status, 200)
    t.diagnostic(`second start: first answer after ${(performance.now() - begun).toFixed()} ms`)
    assert.equal(later.testKey, '')
    assert.match(later.stdout(), /Mint a key: {2}npx ostiary keys create/)
    assert.doesNotMatch(later.stdout(), /sk_/)
  })
})

describe('refuses to start', () => {
  for (const listener of ['public', 'admin'] as const) {
    const name = `OSTIARY_LISTENERS_${listener.toUpperCase()}`

    test(`where a foreign program listens on the ${listener} port`, async () => {
      using deployment = createDeployment()
      for (const host of ['127.0.0.1', '0.0.0.0']) {
        const stranger = await occupy(host)
        const env = { ...deployment.env, [`${name}_PORT`]: String(portOf(stranger)) }
        await assertRefusal(env, 'start.port_in_use', new RegExp(`127\\.0\\.0\\.1:${portOf(stranger)}`))
        stranger.close()
      }
      // What was opened before is closed again: the directory is free.
      await using gateway = await startOstiary({ env: deployment.env })
      assert.notEqual(gateway.firstKey, null, 'no start before has gone as far as making a key')
    })

    test(`where \`localhost\` is free for the ${listener} listener on one address family only`, {
      skip: !hasIpv6 && 'there is no ::1',
    }, async () => {
      using deployment = createDeployment()
      for (const host of ['127.0.0.1', '::1']) {
        const stranger = await occupy(host)
        const env = { ...deployment.env, [`${name}_HOST`]: 'localhost', [`${name}_PORT`]: String(portOf(stranger)) }
        await assertRefusal(env, 'start.port_in_use', new RegExp(`:${portOf(stranger)}`)).finally(() =>
          stranger.close(),
        )
      }
    })
  }

  test('where a foreign program shares its public port with whoever asks', {
    skip: process.platform !== 'linux' && 'SO_REUSEPORT spreads connections on Linux',
  }, async () => {
    using deployment = createDeployment()
    const stranger = await occupy('127.0.0.1', { reusePort: true })
    const env = { ...deployment.env, OSTIARY_LISTENERS_PUBLIC_PORT: String(portOf(stranger)), OSTIARY_WORKERS: '2' }
    await assertRefusal(env, 'start.port_in_use', new RegExp(`:${portOf(stranger)}`)).finally(() => stranger.close())
  })

  test('without a secret that the stored keys need, or with another one', async () => {
    using deployment = createDeployment()
    {
      await using _gateway = await startOstiary({ env: deployment.env })
    }
    for (const name of ['pepper', 'deployment-secret', 'key-encryption-key']) {
      const file = join(deployment.dataDirectory, name)
      const text = readFileSync(file, 'utf8')
      rmSync(file)
      await assertRefusal(deployment.env, 'start.data_directory_incomplete', new RegExp(`^${name} is missing in`))
      writeFileSync(file, text, { mode: 0o600 })
    }
    const pepper = join(deployment.dataDirectory, 'pepper')
    const text = readFileSync(pepper, 'utf8')
    for (const [wrong, why] of [
      [`${Buffer.alloc(32, 7).toString('base64url')}\n`, /not the one of the stored keys/],
      ['half', /does not hold 32 bytes/],
      ['', /does not hold 32 bytes/],
    ] as const) {
      writeFileSync(pepper, wrong)
      await assertRefusal(deployment.env, 'start.data_directory_incomplete', why)
    }
    writeFileSync(pepper, text)
    await using gateway = await startOstiary({ env: deployment.env })
    assert.equal(gateway.firstKey, null)
  })

  test('with a configuration that is not understood, naming every place', async () => {
    using deployment = createDeployment('workers: 2\nlog:\n  levle: debug\nmodels:\n  a: { provider: nobody }\n')
    const refused = await runProgram(deployment, ['start'], { env: { OSTIARY_WORKRES: '2' } })
    assertRefused(
      refused,
      2,
      'config.invalid',
      /ostiary\.yaml:3:3: log\.levle: unknown member.*\n.*ostiary\.yaml:5:\d+: models\.a\.provider: .*\nOSTIARY_WORKRES: .*$/,
    )
    writeFileSync(deployment.configFile, 'workers: 2\nlog: [\n')
    await assertRefusal(deployment.env, 'config.invalid', /ostiary\.yaml:\d+:\d+: not valid YAML/)
    rmSync(deployment.configFile)
    await assertRefusal(deployment.env, 'config.invalid', /ostiary\.yaml: cannot be read \(ENOENT\)/)
    assert.deepEqual(
      globSync('*', { cwd: deployment.dataDirectory }).filter(name => name !== 'cache'),
      [],
      'nothing was made',
    )
  })

  test('where the data directory cannot be made', async () => {
    using deployment = createDeployment()
    writeFileSync(deployment.dataDirectory, '')
    const refused = await runProgram(deployment, ['start'])
    assert.deepEqual([refused.code, refused.stdout], [1, ''])
    assert.doesNotMatch(refused.stderr, /^\s+at /m, 'a message, not a stack')
  })

  test('where the database is none', async () => {
    using deployment = createDeployment()
    {
      await using _gateway = await startOstiary({ env: deployment.env })
    }
    writeFileSync(join(deployment.dataDirectory, 'ostiary.db'), 'no database at all, but as long as one'.repeat(999))
    await assertRefusal(deployment.env, 'store.unavailable', /(?:)/)
  })
})
