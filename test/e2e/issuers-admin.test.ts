import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { after, before, describe, test } from 'node:test'
import { adminScopes } from '#core/operator.ts'
import { ask, type Gateway, startGateway, until } from '../support/gateway.ts'
import { bootstrapToken, cliEnvOf, runCli } from '../support/process.ts'
import { issuerYaml, makeSigningKey, type ScriptedIssuer, startIssuer } from '../support/scripted-issuer.ts'

describe('ostiary issuers', () => {
  const key = makeSigningKey('2026-01')
  let issuer: ScriptedIssuer
  let gateway: Gateway
  before(async () => {
    issuer = await startIssuer()
    issuer.keys = [key.jwk]
    gateway = await startGateway({ yaml: issuerYaml(issuer, 'jwks: { refreshSeconds: 1 }') })
  })
  after(async () => {
    await gateway?.[Symbol.asyncDispose]()
    await issuer?.[Symbol.asyncDispose]()
  })
  const cli = (...args: string[]) => runCli(cliEnvOf(gateway), 'issuers', ...args)

  test('list says which there are, and how their keys fare', async () => {
    const listed = await until('the first fetch', async () => {
      const { stdout } = await cli('list')
      return / {2}ok\n$/.test(stdout) && !stdout.includes('never') && stdout
    })
    assert.match(
      listed,
      /^NAME +PRESET +ISSUER +KEYS +FETCHED +LAST FETCH\ncompany +generic +http:\S+\/realm +1 +20.* UTC +ok\n$/,
    )
    const { code, stdout } = await cli('list', '--json')
    const [found, ...more] = JSON.parse(stdout)
    assert.deepEqual([code, more, found.keys_from, found.keys[0].kid], [0, [], 'discovery', '2026-01'])
  })

  test('check says what it found', async () => {
    const { code, stdout, stderr } = await cli('check', 'company')
    assert.deepEqual([code, stderr], [0, ''])
    assert.match(
      stdout,
      /^metadata +http:\S+\/realm\/\.well-known\/openid-configuration\nkeys at +http:\S+\/keys\nclock +-?0\.0 s\n/,
    )
    assert.match(stdout, /^KID +KIND +ALGORITHMS +THUMBPRINT\n2026-01 +P-256 +ES256 +\S{43}\n/m)
    assert.match(stdout, /^info {5}plaintext\n {9}It is reached in plaintext/m)
  })

  test('check of an issuer that is in trouble exits with 1 and says which', async () => {
    issuer.metadata = { issuer: 'https://evil.example' }
    const { code, stdout } = await cli('check', 'company', '--json')
    const report = JSON.parse(stdout)
    assert.deepEqual(
      [code, report.ok, report.findings[0].level, report.findings[0].code],
      [1, false, 'error', 'issuer_differs'],
    )
    // The gateway meets the same, and keeps what it has.
    await until('its own failure', async () => /issuer "https:\/\/evil\.example"/.test((await cli('list')).stdout))
    const [listed] = JSON.parse((await cli('list', '--json')).stdout)
    assert.equal(listed.keys.length, 1)
    issuer.metadata = {}
  })

  test('metrics count fetches, and tell the age of keys', async () => {
    const token = bootstrapToken(gateway.dataDirectory)
    const { text } = await ask(`${gateway.adminUrl}/metrics`, {
      method: 'GET',
      headers: { authorization: `Bearer ${token}` },
    })
    const sampleOf = (name: string) => Number(new RegExp(`^${name} (\\S+)$`, 'm').exec(text)?.[1])
    assert.ok(sampleOf('ostiary_issuer_key_fetches_total\\{outcome="ok"\\}') >= 1, text)
    assert.equal(sampleOf('ostiary_issuers_without_keys'), 0)
    const age = sampleOf('ostiary_issuer_keys_age_seconds')
    assert.ok(age > 0 && age < 120, `${age}`)
  })

  test('what an issuer says cannot write to the terminal', async () => {
    issuer.metadata = { issuer: '\u001b[2J\u202e' }
    const { stdout } = await cli('check', 'company')
    assert.ok(!/[^\P{C}\n]/u.test(stdout), JSON.stringify(stdout))
    issuer.metadata = {}
  })

  test('check takes the name of one that there is', async () => {
    const unknown = await cli('check', 'nobody')
    assert.deepEqual([unknown.code, unknown.stdout], [1, ''])
    assert.match(unknown.stderr, /issuer\.not_found/)
    for (const args of [[], ['a', 'b']]) assert.equal((await cli('check', ...args)).code, 2)
  })

  test('checks of one issuer that come at once ask it once', async () => {
    const token = bootstrapToken(gateway.dataDirectory)
    const headers = { authorization: `Bearer ${token}` }
    const { promise, resolve } = Promise.withResolvers<void>()
    let held = 0
    issuer.onMetadata = async (_req, res) => {
      held++
      await promise
      res.writeHead(404).end()
    }
    const asked = Array.from({ length: 10 }, () => ask(`${gateway.adminUrl}/api/issuers/company/check`, { headers }))
    await until('the question', () => held > 0)
    // The gateway's own refresh is at most one more.
    assert.ok(held <= 2, `${held}`)
    resolve()
    assert.deepEqual(new Set((await Promise.all(asked)).map(({ status }) => status)), new Set([200]))
    assert.ok(held <= 4, `${held}`)
    issuer.onMetadata = null
  })

  test('is for operators of the whole gateway who may read issuers', async () => {
    const token = bootstrapToken(gateway.dataDirectory)
    const make = async (body: object) => {
      const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' }
      const reply = await ask(`${gateway.adminUrl}/api/tokens`, { headers, body: JSON.stringify(body) })
      return JSON.parse(reply.text).secret as string
    }
    const scopes = adminScopes.filter(scope => scope !== 'issuers:read' && scope !== 'tokens:write')
    const others = await make({ name: 'others', scopes })
    const ofProject = await make({ name: 'of-project', scopes: ['issuers:read'], projects: ['proj_default'] })
    const reader = await make({ name: 'reader', scopes: ['issuers:read'] })
    const operations = [
      ['GET', '/api/issuers'],
      ['GET', '/api/issuers/company'],
      ['POST', '/api/issuers/company/check'],
    ] as const
    for (const [method, path] of operations) {
      const statusFor = async (secret: string) =>
        (await ask(gateway.adminUrl + path, { method, headers: { authorization: `Bearer ${secret}` } })).status
      assert.deepEqual(await Promise.all([others, ofProject, reader].map(statusFor)), [403, 403, 200], path)
    }
  })

  test('config check reads the file of keys, and needs nobody else', async () => {
    const file = `${gateway.folder}/other.yaml`
    writeFileSync(file, issuerYaml({ issuer: 'http://127.0.0.1:1/realm' }, 'jwksFile: missing.json'))
    const refused = await runCli(cliEnvOf(gateway), 'config', 'check', '--config', file)
    assert.equal(refused.code, 2)
    assert.match(refused.stderr, /issuers\.company\.jwksFile: The file cannot be read \(ENOENT\)/)
    writeFileSync(`${gateway.folder}/missing.json`, JSON.stringify({ keys: [key.jwk] }))
    assert.equal((await runCli(cliEnvOf(gateway), 'config', 'check', '--config', file)).code, 0)
    writeFileSync(file, issuerYaml({ issuer: 'http://127.0.0.1:1/realm' }))
    assert.equal((await runCli(cliEnvOf(gateway), 'config', 'check', '--config', file)).code, 0)
  })
})
