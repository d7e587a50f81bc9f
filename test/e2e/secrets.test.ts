import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import type { ChangeEvent } from '#core/events.ts'
import { type Gateway, startGateway, until } from '../support/gateway.ts'
import { callOnce, cliEnvOf, runCliWith, startLoad } from '../support/process.ts'
import { type Provider, sendJson, startProvider } from '../support/provider.ts'

const CHAT = '{"model":"m","messages":[]}'

let provider: Provider
/** Credentials that the provider takes. */
let valid: Set<string>
before(async () => {
  provider = await startProvider()
})
after(() => provider[Symbol.asyncDispose]())

const credentialOf = (headers: { authorization?: string | undefined }) => headers.authorization?.slice('Bearer '.length)

const yamlOf = (reference: string) =>
  `providers:\n  up: { format: openai, baseUrl: '${provider.url}', credential: '${reference}' }\nmodels:\n  m: { provider: up }\n`

/** A gateway whose provider takes what is in `valid` and answers with the credential that it was given. */
async function start(yaml = '{}\n', options: Parameters<typeof startGateway>[0] = {}): Promise<Gateway> {
  provider.requests.splice(0)
  provider.answer = ({ headers }, res) => {
    const credential = credentialOf(headers) ?? ''
    sendJson(res, valid.has(credential) ? 200 : 401, { used: credential })
  }
  return startGateway({ workers: 2, yaml, ...options })
}

/** Runs a command with text on standard input. */
function run(gateway: Gateway, input: string, ...args: string[]) {
  return runCliWith(cliEnvOf(gateway), input, ...args)
}

async function used(gateway: Gateway, key: string) {
  const { status, text, id } = await callOnce(gateway.url, key, { body: CHAT })
  return { status, used: JSON.parse(text).used, id }
}

/** On every worker: each connection is a new one. */
async function usedEverywhere(gateway: Gateway, key: string): Promise<string[]> {
  const answers = await Promise.all(Array.from({ length: 12 }, () => used(gateway, key)))
  return [...new Set(answers.map(({ status, used }) => `${status} ${used}`))]
}

describe('a secret of the vault', () => {
  let gateway: Gateway
  let key: string
  before(async () => {
    valid = new Set(['first-credential'])
    gateway = await start()
    key = await gateway.liveKey()
  })
  after(() => gateway[Symbol.asyncDispose]())

  test('is set, referred to, and used by every worker', async () => {
    const { code, stdout } = await run(gateway, 'first-credential\n', 'secrets', 'set', 'up')
    assert.deepEqual([code, stdout], [0, 'up is at version 1; nothing in effect refers to it.\n'])
    writeFileSync(gateway.configFile, yamlOf('secret:up'))
    await gateway.ostiary.reload('test')
    assert.deepEqual(await usedEverywhere(gateway, key), ['200 first-credential'])
  })

  test('takes effect on every worker when it is set anew, without a reload', async () => {
    valid = new Set(['second-credential'])
    const { stdout } = await run(gateway, 'second-credential', 'secrets', 'set', 'up')
    assert.equal(stdout, 'up is at version 2; in effect for providers.up.credential.\n')
    assert.deepEqual(await usedEverywhere(gateway, key), ['200 second-credential'])
  })

  test('is valid beside the one before while the grace lasts, whichever the provider takes', async () => {
    const { code, stdout } = await run(gateway, 'third-credential', 'secrets', 'rotate', 'up', '--grace', '1h')
    assert.equal(code, 0)
    assert.match(
      stdout,
      /^up is at version 3; version 2 is valid until .* UTC; in effect for providers\.up\.credential\.\n$/,
    )
    provider.requests.splice(0)
    const answer = await used(gateway, key)
    assert.deepEqual([answer.status, answer.used], [200, 'second-credential'])
    assert.deepEqual(
      provider.requests.map(({ headers }) => credentialOf(headers)),
      ['third-credential', 'second-credential'],
    )
    assert.equal((await gateway.event(answer.id)).usedPreviousCredential, true)
    valid = new Set(['third-credential'])
    const next = await used(gateway, key)
    assert.deepEqual([next.status, next.used], [200, 'third-credential'])
    assert.equal((await gateway.event(next.id)).usedPreviousCredential, undefined)
  })

  test('that both are refused is told to the caller once', async () => {
    valid = new Set()
    provider.requests.splice(0)
    const { status, used: told } = await used(gateway, key)
    assert.deepEqual([status, told, provider.requests.length], [401, 'second-credential', 2])
  })

  test('is the only one after the grace, and the one before is destroyed', async () => {
    valid = new Set(['third-credential'])
    await run(gateway, 'third-credential', 'secrets', 'rotate', 'up', '--grace', '0s')
    valid = new Set(['third-credential', 'fourth-credential'])
    await run(gateway, 'fourth-credential', 'secrets', 'rotate', 'up', '--grace', '1s')
    const versions = async () => (await gateway.ostiary.store.secrets.find('up')).map(({ version }) => version)
    assert.deepEqual(await versions(), [5, 4])
    await until('the end of the grace', async () => (await versions()).length === 1)
    const [deleted] = (await gateway.ostiary.store.events.list({ limit: 1, type: 'secret.deleted' })) as ChangeEvent[]
    assert.deepEqual(
      [deleted?.actor, deleted?.subject, deleted?.detail],
      ['vault', 'up', { version: 4, why: 'grace ended' }],
    )
    valid = new Set(['third-credential'])
    provider.requests.splice(0)
    assert.equal((await used(gateway, key)).status, 401)
    assert.equal(provider.requests.length, 1)
  })

  test('is listed without its value', async () => {
    const { stdout } = await run(gateway, '', 'secrets', 'list')
    assert.match(
      stdout,
      /^NAME +VERSION +CREATED +AGE +KEK +USED +PREVIOUS\nup +5 +.* UTC +0 d +[0-9a-f]{12} +providers\.up\.credential\n$/,
    )
    const json = (await run(gateway, '', 'secrets', 'list', '--json')).stdout
    assert.equal(JSON.parse(json)[0].name, 'up')
    assert.doesNotMatch(stdout + json, /-credential/)
  })

  test('is not deleted while the configuration refers to it', async () => {
    const { code, stderr } = await run(gateway, '', 'secrets', 'delete', 'up')
    assert.equal(code, 1)
    assert.match(stderr, /\(secret\.in_use\)\nproviders\.up\.credential/)
    assert.equal((await gateway.ostiary.store.secrets.find('up')).length, 1)
  })
})

test('rotations with a grace lose no call, in whichever order the provider changes over', async () => {
  valid = new Set(['credential-0'])
  await using gateway = await start()
  await run(gateway, 'credential-0', 'secrets', 'set', 'up')
  writeFileSync(gateway.configFile, yamlOf('secret:up'))
  await gateway.ostiary.reload('test')
  await using load = startLoad(gateway.url, await gateway.liveKey(), 6, { body: CHAT })
  const more = async () => {
    const sofar = load.statuses()[200] ?? 0
    await until('calls', () => (load.statuses()[200] ?? 0) > sofar + 20)
  }
  await more()
  for (let n = 1; n <= 8; n++) {
    const both = new Set([`credential-${n - 1}`, `credential-${n}`])
    if (n % 2 === 0) valid = both
    const { code } = await run(gateway, `credential-${n}`, 'secrets', 'rotate', 'up', '--grace', '1h')
    assert.equal(code, 0)
    await more()
    valid = both
    await more()
    valid = new Set([`credential-${n}`])
    await more()
  }
  await load.stop()
  assert.deepEqual(Object.keys(load.statuses()), ['200'])
  assert.deepEqual(
    load.lines.flatMap(({ errors }) => errors),
    [],
  )
})

test('what was destroyed is no longer in SQLite’s file', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'ostiary-'))
  try {
    const destroyed: string[] = []
    let file: string
    {
      await using gateway = await startGateway({ folder, yaml: '{}\n' })
      file = gateway.ostiary.dataDirectory.database
      const { secrets } = gateway.ostiary.store
      for (const [name, length] of Object.entries({ short: 30, long: 50_000 })) {
        await run(gateway, 'x'.repeat(length), 'secrets', 'set', name)
        destroyed.push((await secrets.find(name))[0]?.ciphertext ?? '')
        await run(gateway, 'y', 'secrets', 'rotate', name, '--grace', '0s')
      }
    }
    const bytes = readFileSync(file)
    for (const text of destroyed) {
      for (let at = 0; at + 40 <= text.length; at += 1000)
        assert.ok(!bytes.includes(text.slice(at, at + 40)), `at ${at}`)
    }
    assert.ok(destroyed.every(text => text.length > 40))
  } finally {
    rmSync(folder, { recursive: true })
  }
})
