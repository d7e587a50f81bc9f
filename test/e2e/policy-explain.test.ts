import assert from 'node:assert/strict'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { adminScopes } from '#core/operator.ts'
import { ask, type Gateway, startGateway } from '../support/gateway.ts'
import { bootstrapToken, cliEnvOf, createDeployment, runCli } from '../support/process.ts'

const CEDAR = `@id("never.embed")
forbid (principal, action == Ostiary::Action::"gemini.generate", resource);
`

const YAML = `policies: { roles: [editor] }
access:
  deny: [192.0.2.7]
  operations:
    openai.responses: { deny: [127.0.0.0/8] }
    openai.embeddings: { require: [{ roles: [editor] }] }
`

describe('an explanation of a key by the running gateway', () => {
  let gateway: Gateway
  let token: string
  let env: Readonly<Record<string, string>>
  before(async () => {
    gateway = await startGateway({ yaml: YAML })
    mkdirSync(join(gateway.folder, 'policies'))
    writeFileSync(join(gateway.folder, 'policies', 'never.cedar'), CEDAR)
    token = await makeToken(bootstrapToken(gateway.dataDirectory), { scopes: adminScopes })
    env = { ...cliEnvOf(gateway), OSTIARY_TOKEN: token }
  })
  after(() => gateway[Symbol.asyncDispose]())

  const post = (by: string, path: string, body: object) =>
    ask(`${gateway.adminUrl}${path}`, {
      headers: { authorization: `Bearer ${by}`, 'content-type': 'application/json' },
      body: JSON.stringify(body),
    })
  const makeToken = async (by: string, body: object): Promise<string> =>
    JSON.parse((await post(by, '/api/tokens', { name: 'made', ...body })).text).secret
  const makeKey = async (body: object): Promise<{ id: string; secret: string }> => {
    const { key, secret } = JSON.parse(
      (await post(token, '/api/keys', { name: 'k', environment: 'test', ...body })).text,
    )
    return { id: key.id, secret }
  }
  const explain = async (key: string, body: object = {}) =>
    JSON.parse(
      (await post(token, '/api/policy/explain', { key, action: 'openai.chat', model: 'sandbox', ...body })).text,
    )
  const call = (secret: string, path = 'chat/completions') =>
    ask(`${gateway.url}/v1/${path}`, {
      headers: { authorization: `Bearer ${secret}`, 'content-type': 'application/json' },
      body: JSON.stringify({ model: 'sandbox', messages: [{ role: 'user', content: 'x' }] }),
    })

  test('says what the next call is answered, by each ceiling and by the policies', async () => {
    for (const [settings, allowed] of [
      [{}, true],
      [{ scopes: ['embeddings:create'] }, false],
      [{ operations: ['openai.embeddings'] }, false],
      [{ cidrs: ['10.0.0.0/8'] }, false],
      [{ denied_cidrs: ['127.0.0.0/8'] }, false],
      [{ environment: 'live' }, false],
      [{ roles: ['developer'] }, true],
      [{ roles: ['viewer'] }, false],
      [{ roles: ['editor'] }, false],
      [{ roles: ['auditor', 'owner'] }, false],
    ] as const) {
      const { id, secret } = await makeKey(settings)
      const said = await explain(id)
      const { status } = await call(secret)
      assert.deepEqual([said.allowed, status], [allowed, allowed ? 200 : 403], JSON.stringify([settings, said]))
    }
  })

  test('says what the gateway asks beside the key', async () => {
    const { id, secret } = await makeKey({})
    const stopped = async (body: object) =>
      (await explain(id, body)).ceilings
        .filter(({ allows }: { allows: boolean }) => !allows)
        .map(({ ceiling, problem }: { ceiling: string; problem: string }) => `${ceiling} ${problem}`)
    assert.deepEqual(await stopped({ ip: '192.0.2.7' }), ['listener_addresses policy.address'])
    assert.deepEqual(await stopped({ action: 'openai.responses' }), ['operation_addresses policy.address'])
    assert.deepEqual(await stopped({ action: 'openai.embeddings' }), ['requirements policy.requirement'])
    assert.deepEqual([(await call(secret, 'responses')).status, (await call(secret, 'embeddings')).status], [403, 403])
  })

  test('gives the reason that the answer of the call gives', async () => {
    for (const [settings, path, action] of [
      [{}, 'responses', 'openai.responses'],
      [{}, 'embeddings', 'openai.embeddings'],
      [{ scopes: ['embeddings:create'] }, 'chat/completions', 'openai.chat'],
      [{ operations: ['openai.embeddings'] }, 'chat/completions', 'openai.chat'],
      [{ cidrs: ['10.0.0.0/8'] }, 'chat/completions', 'openai.chat'],
      [{ environment: 'live' }, 'chat/completions', 'openai.chat'],
    ] as const) {
      const { id, secret } = await makeKey(settings)
      const { code, message } = JSON.parse((await call(secret, path)).text).error
      const { ceilings } = await explain(id, { action })
      const [first] = ceilings.filter(({ allows }: { allows: boolean }) => !allows)
      assert.equal(first.problem, code)
      assert.ok(message.endsWith(`: ${first.detail}`), message)
    }
  })

  test('says what was assumed, and never that it is allowed by policies which were not asked', async () => {
    const { id } = await makeKey({ roles: ['admin'], scopes: ['embeddings:create'] })
    const args = ['policy', 'explain', '--key', id, '--action', 'openai.chat', '--model', 'sandbox']
    const { stdout } = await runCli(env, ...args, '--ip', '192.0.2.7', '--time', '2026-01-31T12:00:00Z')
    const lines = stdout.split('\n')
    const line = (what: string) => lines.find(line => line.startsWith(`  ${what} `))?.slice(23)
    assert.equal(line('asked'), 'from 192.0.2.7 at 2026-01-31T12:00:00.000Z')
    assert.match(line('caller') as string, /environment test$/)
    assert.equal(
      line('listener addresses'),
      'refuse, 403 policy.address: The listener may not be called from 192.0.2.7.',
    )
    assert.equal(line('scopes'), `refuse, 403 policy.scope: The key ${id} lacks the scope chat:create.`)
    assert.equal(line('policies'), 'allow, by ostiary.admin, but the call is refused before they are asked')
    assert.equal(line('operation addresses'), 'allow')
  })

  test('takes the id of a request, and says what came of it and what would now', async () => {
    const { id, secret } = await makeKey({ roles: ['viewer'], scopes: ['chat:create'] })
    const ask = async (answer: Awaited<ReturnType<typeof call>>) => {
      const request = answer.headers['x-request-id'] as string
      for (;;) {
        const json = await runCli(env, 'policy', 'explain', '--request', request, '--json')
        // Events are written in batches, some milliseconds after the answer.
        if (/event\.not_found/.test(json.stderr)) continue
        assert.equal(json.code, 0, json.stderr)
        const shown = await runCli(env, 'policy', 'explain', '--request', request)
        return { request, explained: JSON.parse(json.stdout), shown: shown.stdout }
      }
    }
    const denied = await ask(await call(secret))
    const { request, now, not_on_record: missing } = denied.explained
    assert.deepEqual(
      [request.id, request.credential, request.action, request.resource, request.status, request.problem],
      [denied.request, id, 'openai.chat', 'sandbox', 403, 'policy.denied'],
    )
    assert.deepEqual([request.reason, request.decision], ['no_policy', { allowed: false, policies: [], error: null }])
    assert.deepEqual([now.allowed, now.caller.id, now.caller.roles], [false, id, ['viewer']])
    assert.deepEqual(now.decision.roles_that_allow, ['developer', 'admin', 'owner'])
    assert.deepEqual(missing, ['addresses', 'operations', 'models'])
    assert.match(denied.shown, /answered +403 policy\.denied: the policies do not allow this\n +because +no_policy\n/)
    assert.match(
      denied.shown,
      /under the policies of now: openai\.chat on sandbox: denied\n[\s\S]*would allow +each of/,
    )
    assert.match(denied.shown, new RegExp(`policy explain --key ${id} --action openai\\.chat --model sandbox`))

    const refused = await ask(await call((await makeKey({ scopes: ['embeddings:create'] })).secret))
    assert.deepEqual([refused.explained.request.problem, refused.explained.request.decision], ['policy.scope', null])
    assert.deepEqual([refused.explained.now, refused.explained.not_on_record], [null, ['model']])
    assert.match(refused.shown, /policies +were not asked\n\n.*model not on record\.\n.*--model NAME\n$/)

    const unknown = await runCli(env, 'policy', 'explain', '--request', 'req_0')
    assert.deepEqual([unknown.code, unknown.stdout], [1, ''])
    assert.match(unknown.stderr, /event\.not_found/)
  })

  test('follows the key: its project, its state, its policies', async () => {
    const made = await makeKey({ roles: ['viewer'] })
    assert.deepEqual((await explain(made.id)).decision.roles_that_allow, ['developer', 'admin', 'owner'])
    const { code, stdout } = await runCli(
      env,
      'policy',
      'explain',
      '--key',
      made.id,
      '--action',
      'openai.chat',
      '--model',
      'sandbox',
    )
    assert.equal(code, 0)
    assert.match(
      stdout,
      /^openai\.chat on sandbox: denied\n[\s\S]*policies +deny: no policy permits it\n[\s\S]*would allow +each of the roles developer, admin, owner\n$/,
    )
    const { id: project } = JSON.parse(
      (await post(token, '/api/projects', { name: 'office', denied_cidrs: ['192.0.2.0/24'] })).text,
    ).project
    const { id: officeKey } = await makeKey({ project })
    const addresses = async (ip: string) =>
      (await explain(officeKey, { ip })).ceilings.find(({ ceiling }: { ceiling: string }) => ceiling === 'addresses')
        .allows
    assert.deepEqual([await addresses('192.0.2.1'), await addresses('192.0.3.1')], [false, true])
    const free = await makeKey({})
    assert.equal((await explain(free.id)).allowed, true)
    await post(token, `/api/keys/${free.id}/disable`, {})
    const disabled = await explain(free.id)
    assert.deepEqual([disabled.allowed, disabled.caller.status], [false, 'disabled'])
    const shown = await runCli(
      env,
      'policy',
      'explain',
      '--key',
      free.id,
      '--action',
      'openai.chat',
      '--model',
      'sandbox',
    )
    assert.match(shown.stdout, /credential +refuses: the key is disabled/)
  })

  test('uses the policies in effect, those of a reload from then on', async () => {
    const { id } = await makeKey({})
    const asked = { action: 'gemini.generate' }
    assert.equal((await explain(id, asked)).allowed, true)
    assert.equal((await runCli(env, 'config', 'reload')).code, 0)
    const { allowed, decision, policies } = await explain(id, asked)
    assert.deepEqual([allowed, decision.policies], [false, ['never.embed']])
    assert.ok(
      policies.some((policy: { id: string; says: string }) => policy.id === 'never.embed' && policy.says === 'forbids'),
    )
  })

  test('is told to operators of its project alone, as of a key that there is not to others', async () => {
    const { id: project } = JSON.parse((await post(token, '/api/projects', { name: 'other' })).text).project
    const stranger = await makeToken(token, { scopes: adminScopes, projects: [project] })
    const { id } = await makeKey({})
    const body = (key: string) => ({ key, action: 'openai.chat', model: 'sandbox' })
    const [theirs, nothing] = await Promise.all([
      post(stranger, '/api/policy/explain', body(id)),
      post(stranger, '/api/policy/explain', body(`key_${'0'.repeat(26)}`)),
    ])
    const shape = ({ status, text }: { status: number; text: string }, key: string) => {
      const { request_id: _, ...problem } = JSON.parse(text.replaceAll(key, 'KEY'))
      return [status, problem]
    }
    assert.deepEqual(shape(theirs, id), shape(nothing, `key_${'0'.repeat(26)}`))
    assert.equal(theirs.status, 404)
    const own = await makeKey({ project })
    assert.equal((await post(stranger, '/api/policy/explain', body(own.id))).status, 200)
    const lacking = await makeToken(token, { scopes: adminScopes.filter(scope => scope !== 'policies:read') })
    assert.equal((await post(lacking, '/api/policy/explain', body(own.id))).status, 403)
  })

  for (const [what, body, status] of [
    ['an unknown action', { action: 'openai.chatt' }, 400],
    ['an action that lists', { action: 'openai.models' }, 400],
    ['no model', { model: undefined }, 400],
    ['an unknown model', { model: 'gpt-9' }, 404],
    ['an address that is none', { ip: '10.0.0.300' }, 400],
    ['a feature that there is not', { features: ['tool'] }, 400],
    ['a path of a call to a model', { path: '/a' }, 400],
  ] as const) {
    test(`refuses ${what}`, async () => {
      const { id } = await makeKey({})
      assert.equal((await explain(id, body)).status, status)
    })
  }

  test('is refused with the cause where nothing runs', async () => {
    using nowhere = createDeployment()
    const port = { OSTIARY_LISTENERS_ADMIN_URL: 'http://localhost:1', OSTIARY_TOKEN: token }
    const { code, stderr } = await runCli(
      { ...nowhere.env, ...port },
      'policy',
      'explain',
      '--key',
      `key_${'0'.repeat(26)}`,
      '--action',
      'openai.chat',
      '--model',
      'sandbox',
    )
    assert.equal(code, 1)
    assert.match(stderr, /cli\.not_running/)
  })
})
