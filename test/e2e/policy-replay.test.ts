import assert from 'node:assert/strict'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { ask, type Gateway, startGateway, until } from '../support/gateway.ts'
import { askAdmin, cliEnvOf, runCli } from '../support/process.ts'

const TOOLS = [{ type: 'function', function: { name: 'weather', parameters: { type: 'object', properties: {} } } }]
const policy = (id: string, condition: string, effect = 'forbid') =>
  `@id("${id}")\n${effect} (principal, action in Ostiary::Action::"models.call", resource)\nwhen { ${condition} };\n`

describe('a replay of recorded calls', () => {
  let gateway: Gateway
  let env: Readonly<Record<string, string>>
  let developer: { id: string; secret: string }
  let viewer: { id: string; secret: string }
  before(async () => {
    gateway = await startGateway()
    env = cliEnvOf(gateway)
    developer = await makeKey({ roles: ['developer'], metadata: { team: 'blue' } })
    viewer = await makeKey({ roles: ['viewer'] })
    const plain = await makeKey({ scopes: ['chat:create'] })
    assert.deepEqual(
      [await call(developer), await call(developer, { tools: TOOLS }), await call(viewer), await call(plain)],
      [200, 200, 403, 200],
    )
    // Ends before policies are asked.
    assert.equal(await call(await makeKey({ scopes: ['embeddings:create'] })), 403)
    assert.equal(await call({ secret: 'sk_test_nothing' }), 401)
    await gateway.events(5)
  })
  after(() => gateway[Symbol.asyncDispose]())

  const makeKey = async (settings: object): Promise<{ id: string; secret: string }> => {
    const { json } = await askAdmin(gateway, '/api/keys', { name: 'k', environment: 'test', ...settings })
    return { id: (json.key as { id: string }).id, secret: json.secret as string }
  }
  const call = async ({ secret }: { secret: string }, more: object = {}) => {
    const reply = await ask(`${gateway.url}/v1/chat/completions`, {
      headers: { authorization: `Bearer ${secret}`, 'content-type': 'application/json' },
      body: JSON.stringify({ model: 'sandbox', messages: [{ role: 'user', content: 'x' }], ...more }),
    })
    return reply.status
  }
  const replay = async (cedar: string, ...args: string[]) => {
    const folder = join(gateway.folder, `changed-${Math.random().toString(36).slice(2)}`)
    mkdirSync(folder)
    writeFileSync(join(folder, 'own.cedar'), cedar)
    const { code, stdout, stderr } = await runCli(env, 'policy', 'replay', '--policies', folder, '--json', ...args)
    assert.equal(stderr, '')
    return { code, ...JSON.parse(stdout) }
  }

  test('finds nothing under the policies that decided', async () => {
    const { code, stdout } = await runCli(env, 'policy', 'replay', '--fail-on-change')
    assert.equal(code, 0, stdout)
    assert.equal(
      stdout,
      '4 calls were decided again, and 0 would be decided otherwise.\n1 calls ended before policies were asked.\n',
    )
  })

  test('lists what would change, with who and by which policies', async () => {
    const cedar =
      policy('no.developers', 'principal in Ostiary::Role::"developer"') +
      policy('viewers', 'principal in Ostiary::Role::"viewer"', 'permit')
    const { code, decided, changed, groups, undecided, not_decidable: missing } = await replay(cedar)
    assert.deepEqual([code, decided, changed, undecided, missing], [0, 4, 3, 1, {}])
    const shown = groups.map(({ first: _, last: __, ...group }: { first: string; last: string }) => group)
    const common = { action: 'openai.chat', resource: 'sandbox', error: null }
    assert.deepEqual(shown, [
      {
        ...common,
        principal: developer.id,
        was: 'allow',
        becomes: 'deny',
        policies_were: ['ostiary.developer'],
        policies: ['no.developers'],
        calls: 2,
      },
      {
        ...common,
        principal: viewer.id,
        was: 'deny',
        becomes: 'allow',
        policies_were: [],
        policies: ['viewers'],
        calls: 1,
      },
    ])
    const failing = await replay(cedar, '--fail-on-change')
    assert.equal(failing.code, 1)
  })

  test('chooses calls by time and caller', async () => {
    const all = policy('nobody', 'true')
    assert.equal((await replay(all, '--key', developer.id)).changed, 2)
    assert.equal((await replay(all, '--project', 'proj_default')).changed, 3)
    assert.equal((await replay(all, '--project', 'proj_other')).decided, 0)
    assert.equal((await replay(all, '--to', '2020-01-01')).decided, 0)
    assert.equal((await replay(all, '--from', '2020-01-01')).decided, 4)
  })

  test('guesses nothing that was not recorded', async () => {
    const features = await replay(policy('tools', 'context.features.contains("tools")'))
    assert.deepEqual([features.decided, features.changed, features.not_decidable], [0, 0, { features: 4 }])
    const tags = await replay(policy('blue', 'principal is Ostiary::ApiKey && principal.hasTag("team")'))
    assert.deepEqual([tags.decided, tags.not_decidable], [0, { tags: 4 }])
  })

  test('decides again by what was recorded because a policy looked at it', async () => {
    const folder = join(gateway.folder, 'policies')
    mkdirSync(folder)
    const quiet = 'principal is Ostiary::ApiKey && principal.hasTag("none") && context.features.contains("video")'
    writeFileSync(join(folder, 'quiet.cedar'), policy('quiet', quiet))
    assert.equal((await runCli(env, 'config', 'reload')).code, 0)
    const from = new Date().toISOString()
    assert.deepEqual([await call(developer, { tools: TOOLS }), await call(viewer)], [200, 403])
    await until('the events', async () => (await gateway.events(7)).length === 7)
    const blue = 'principal is Ostiary::ApiKey && principal.hasTag("team") && principal.getTag("team") == "blue"'
    const tags = await replay(policy('blue', blue), '--from', from)
    assert.deepEqual([tags.decided, tags.changed, tags.groups[0].policies, tags.not_decidable], [2, 1, ['blue'], {}])
    const features = await replay(policy('tools', 'context.features.contains("tools")'), '--from', from)
    assert.deepEqual([features.decided, features.changed, features.not_decidable], [2, 1, {}])
  })

  test('says in words what it cannot decide', async () => {
    const folder = join(gateway.folder, 'looks')
    mkdirSync(folder)
    writeFileSync(
      join(folder, 'own.cedar'),
      policy('tools', 'context.features.contains("tools")') + policy('viewers', 'false', 'permit'),
    )
    const { code, stderr } = await runCli(env, 'policy', 'replay', '--policies', folder)
    // What can never apply is no policy.
    assert.equal(code, 2)
    assert.match(stderr, /viewers/)
    writeFileSync(join(folder, 'own.cedar'), policy('nobody', 'true'))
    const { stdout } = await runCli(env, 'policy', 'replay', '--policies', folder)
    assert.match(
      stdout,
      /^CALLS {2}CALLER +ACTION +ON +WOULD BE +POLICIES +FIRST +LAST\n3 {6}key_\w{26} {2}openai\.chat {2}sandbox {2}allow → deny {2}ostiary\.developer → nobody/,
    )
  })
})
