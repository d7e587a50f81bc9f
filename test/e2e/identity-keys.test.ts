import assert from 'node:assert/strict'
import { readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { KEY_SET_PATH } from '#gateway/identity-key-set.ts'
import { ask, type Gateway, startGateway, until } from '../support/gateway.ts'
import { bootstrapToken, cliEnvOf, createDeployment, runCli, startProcess } from '../support/process.ts'

interface PublishedKey {
  readonly kid: string
}

async function keyIds(url: string): Promise<string[]> {
  const { status, text } = await ask(url + KEY_SET_PATH, { method: 'GET' })
  assert.equal(status, 200, text)
  return (JSON.parse(text).keys as PublishedKey[]).map(({ kid }) => kid)
}

describe('the key set of identity tokens', () => {
  let gateway: Gateway
  before(async () => {
    gateway = await startGateway({ workers: 2 })
  })
  after(() => gateway?.[Symbol.asyncDispose]())
  const cli = (...args: string[]) => runCli(cliEnvOf(gateway), 'identity-keys', ...args)
  const get = (headers = {}, method = 'GET') => ask(gateway.url + KEY_SET_PATH, { method, headers })

  test('is open to anybody, holds public members only, and may be kept for an hour', async () => {
    const { status, headers, text } = await get({ host: 'evil.example', authorization: 'Bearer wrong' })
    assert.equal(status, 200)
    assert.deepEqual(
      [headers['content-type'], headers['cache-control']],
      ['application/jwk-set+json', 'public, max-age=3600'],
    )
    const { keys } = JSON.parse(text)
    assert.deepEqual(
      keys.map((key: object) => Object.keys(key).sort()),
      [['alg', 'crv', 'kid', 'kty', 'use', 'x', 'y']],
    )
  })

  test('is not sent again to who has it', async () => {
    const etag = String((await get()).headers.etag)
    for (const sent of [etag, `"x", ${etag}`, `W/${etag}`, '*']) {
      const { status, text } = await get({ 'if-none-match': sent })
      assert.deepEqual([status, text], [304, ''], sent)
    }
    assert.equal((await get({ 'if-none-match': '"x"' })).status, 200)
    const head = await get({}, 'HEAD')
    assert.deepEqual([head.status, head.text], [200, ''])
  })

  test('other methods and paths beside it are like any unknown path', async () => {
    for (const [method, path] of [
      ['POST', KEY_SET_PATH],
      ['DELETE', KEY_SET_PATH],
      ['GET', `${KEY_SET_PATH}/`],
      ['GET', '/.well-known/ostiary/'],
      ['GET', '/.well-known/ostiary/keys'],
    ]) {
      assert.equal((await ask(gateway.url + path, { method })).status, 401, `${method} ${path}`)
    }
  })

  test('is the same in every worker, also after a rotation, which is on record', async () => {
    const [first = ''] = await keyIds(gateway.url)
    const { code, stdout, stderr } = await cli('rotate')
    assert.deepEqual([code, stderr], [0, ''])
    assert.match(stdout, /^KID +STATE +PUBLISHED +SIGNS FROM\n\S{43} +signing .*\n\S{43} +waiting .*\n$/)
    const listed = JSON.parse((await cli('list', '--json')).stdout) as {
      kid: string
      published_at: string
      signs_from: string
    }[]
    const [, next] = listed
    assert.equal(Date.parse(next?.signs_from ?? '') - Date.parse(next?.published_at ?? ''), 86_400_000)
    for (let i = 0; i < 20; i++) assert.deepEqual(await keyIds(gateway.url), [first, next?.kid])
    const again = await cli('rotate')
    assert.deepEqual([again.code, /yet to sign/.test(again.stderr)], [1, true], again.stderr)

    const { stdout: replaced } = await cli('rotate', '--now', '--json')
    const [only, ...more] = JSON.parse(replaced) as { kid: string; state: string }[]
    assert.deepEqual([only?.state, more], ['signing', []])
    await until('both workers', async () => {
      const seen = await Promise.all(Array.from({ length: 8 }, () => keyIds(gateway.url)))
      return seen.every(ids => ids.length === 1 && ids[0] === only?.kid)
    })
    const events = await gateway.ostiary.store.events.list({ limit: 10, type: 'identity_keys.changed' })
    const details = events.map(event => String((event as { detail: unknown }).detail))
    assert.equal(details.length, 2)
    assert.match(details[0] ?? '', new RegExp(`^\\S+: ${only?.kid} published, signs from .*; ${first} withdrawn; `))
  })

  test('a worker that takes the place of another knows the keys of now', async () => {
    await cli('rotate', '--now')
    const listed = JSON.parse((await cli('list', '--json')).stdout) as PublishedKey[]
    const dead = [...gateway.ostiary.supervisor.workers]
    await Promise.all(dead.map(worker => worker.terminate()))
    await until('new workers', () => {
      const { workers } = gateway.ostiary.supervisor
      return workers.length === 2 && workers.every(worker => !dead.includes(worker))
    })
    for (let i = 0; i < 8; i++) {
      assert.deepEqual(
        await keyIds(gateway.url),
        listed.map(({ kid }) => kid),
      )
    }
  })

  test('operators need the scope, for the whole gateway', async () => {
    const token = bootstrapToken(gateway.dataDirectory)
    const make = async (body: object) => {
      const { text } = await ask(`${gateway.adminUrl}/api/tokens`, {
        headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
        body: JSON.stringify(body),
      })
      return JSON.parse(text).secret as string
    }
    const rotate = async (secret: string) => {
      const { status } = await ask(`${gateway.adminUrl}/api/identity-keys/rotate`, {
        headers: { authorization: `Bearer ${secret}`, 'content-type': 'application/json' },
        body: '{"immediately":true}',
      })
      return status
    }
    const before = await keyIds(gateway.url)
    assert.equal(await rotate(await make({ name: 'reader', scopes: ['secrets:read'] })), 403)
    assert.equal(await rotate(await make({ name: 'one', scopes: ['secrets:write'], projects: ['proj_default'] })), 403)
    assert.equal(await rotate('made-up'), 401)
    assert.deepEqual(await keyIds(gateway.url), before)
  })

  test('its private halves are in no answer, and for the owner only on the disk', async () => {
    const file = join(gateway.dataDirectory, 'identity-keys')
    if (process.platform !== 'win32') assert.equal(statSync(file).mode & 0o777, 0o600)
    const [{ pem }] = JSON.parse(readFileSync(file, 'utf8')).keys
    const secret = pem.split('\n')[1] as string
    const said = [(await get()).text, (await cli('list', '--json')).stdout, (await cli('list')).stdout]
    for (const text of said) assert.ok(!text.includes(secret))
  })
})

test('killed in the middle of rotations the file holds the last that was answered, or a later one', async () => {
  using deployment = createDeployment()
  /** In the order of their answers. */
  const answered: string[] = []
  for (let round = 0; round < 4; round++) {
    await using gateway = await startProcess(deployment, { env: { OSTIARY_LOG_LEVEL: 'fatal' } })
    const ids = await keyIds(gateway.url)
    assert.equal(ids.length, 1)
    assert.ok(!answered.slice(0, -1).includes(ids[0] ?? ''), 'a rotation that was answered is undone')
    const headers = {
      authorization: `Bearer ${bootstrapToken(deployment.dataDirectory)}`,
      'content-type': 'application/json',
    }
    const rotate = async () => {
      const { text } = await ask(`${gateway.adminUrl}/api/identity-keys/rotate`, {
        headers,
        body: '{"immediately":true}',
      })
      answered.push((JSON.parse(text).keys as PublishedKey[])[0]?.kid ?? '')
    }
    const rotations = (async () => {
      for (;;) await rotate()
    })().catch(() => {})
    const goal = answered.length + 3 + round
    await until('rotations', () => answered.length >= goal)
    gateway.kill('SIGKILL')
    await Promise.all([rotations, gateway.exited])
  }
  await using gateway = await startProcess(deployment)
  const [kept = ''] = await keyIds(gateway.url)
  assert.ok(!answered.slice(0, -1).includes(kept))
})

test('a damaged file stops the start, and says which', async () => {
  using deployment = createDeployment()
  {
    await using _gateway = await startGateway({ folder: deployment.folder })
  }
  writeFileSync(join(deployment.dataDirectory, 'identity-keys'), '{"keys":')
  await assert.rejects(startGateway({ folder: deployment.folder }), {
    code: 'start.data_directory_incomplete',
    message: 'identity-keys does not hold the keys of identity tokens',
  })
})
