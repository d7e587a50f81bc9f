import assert from 'node:assert/strict'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { createDeployment, type Deployment, runCli, runCliWith } from '../support/process.ts'

const yaml = `issuers:
  company:
    issuer: https://login.example.com
    audience: [ostiary]
    grants:
      - { when: { groups: editors }, roles: [editor] }
      - { when: { groups: callers }, scopes: ['chat:create'] }
providers:
  openai: { format: openai, credential: 'env:OPENAI_API_KEY' }
models:
  gpt-5: { provider: openai }
  gpt-5-mini: { provider: openai }
policies:
  roles: [editor]
  modelGroups: { cheap: [gpt-5-mini], expensive: [gpt-5] }
`
const cedar = `@id("editor.cheap")
permit (
  principal in Ostiary::Role::"editor",
  action in Ostiary::Action::"models.call",
  resource in Ostiary::ModelGroup::"cheap"
);

@id("night.expensive")
forbid (principal, action in Ostiary::Action::"models.call", resource in Ostiary::ModelGroup::"expensive")
when { context.time.toTime() >= duration("20h") };

@id("tools.editor")
@shadow
forbid (principal in Ostiary::Role::"editor", action in Ostiary::Action::"models.call", resource)
when { context.features.contains("tools") };
`
const cases = `cases:
  - name: an editor calls the cheap models
    principal: { kind: user, roles: [editor] }
    actions: [openai.chat, openai.responses]
    models: [gpt-5-mini]
    expect: allow
    by: [editor.cheap]
  - name: and no others
    principal: { kind: user, roles: [editor] }
    actions: [openai.chat]
    models: [gpt-5]
    expect: deny
    because: policy
    by: []
`
const night = `  - name: nobody calls expensive models at night
    principal: { kind: key }
    actions: [openai.chat]
    models: [gpt-5]
    context: { time: '2026-01-31T23:00:00Z' }
    expect: deny
    by: [night.expensive]
`

let deployment: Deployment
let tests: string
before(() => {
  deployment = createDeployment(yaml)
  tests = join(deployment.folder, 'policies', 'tests')
  mkdirSync(tests, { recursive: true })
  writeFileSync(join(deployment.folder, 'policies', 'editor.cedar'), cedar)
})
after(() => deployment[Symbol.dispose]())

const policy = (...args: string[]) => runCli(deployment.env, 'policy', ...args)
const write = (text: string, file = 'editors.yaml') => {
  const path = join(tests, file)
  writeFileSync(path, text)
  return path
}

describe('ostiary policy test', () => {
  test('needs neither gateway nor secret, and exits with 0 if all is as expected', async () => {
    write(cases)
    const { code, stdout, stderr } = await policy('test')
    assert.deepEqual([code, stderr], [0, ''])
    assert.equal(stdout, '3 decisions of 2 cases in 1 file: all as expected.\n')
  })

  test('prints what differs and nothing else, and exits with 1', async () => {
    const file = write(cases.replace('expect: allow\n    by: [editor.cheap]', 'expect: deny'))
    const { code, stdout, stderr } = await policy('test')
    assert.deepEqual([code, stderr], [1, ''])
    const differs = (action: string) =>
      `${file}:2:5: an editor calls the cheap models\n  ${action} on gpt-5-mini, user with editor\n    expected deny, came allow by editor.cheap\n\n`
    assert.equal(
      stdout,
      `${differs('openai.chat')}${differs('openai.responses')}3 decisions of 2 cases in 1 file: 2 otherwise than expected.\n`,
    )
  })

  for (const [what, changed, said] of [
    [
      'what refused',
      cases.replace('because: policy\n    by: []', 'because: scope'),
      'expected deny because of scope, came deny: no policy permits',
    ],
    [
      'which policy it was',
      cases.replace('[editor.cheap]', '[ostiary.models]'),
      'expected to be determined by ostiary.models, came allow by editor.cheap',
    ],
    [
      'that it was no policy',
      cases.replace('by: []', 'by: [night.expensive]'),
      'expected to be determined by night.expensive, came deny: no policy permits',
    ],
    [
      'that a ceiling refused',
      cases.replace(
        'roles: [editor] }\n    actions: [openai.chat]\n',
        "roles: [editor], scopes: ['embeddings:create'] }\n    actions: [openai.chat]\n",
      ),
      'came deny because of scope: chat:create missing',
    ],
  ] as const) {
    test(`notices ${what}`, async () => {
      write(changed)
      const { code, stdout } = await policy('test')
      assert.equal(code, 1)
      assert.ok(stdout.includes(said), stdout)
    })
  }

  test('asks what the gateway asks of callers: where they are, how they logged in, what they are', async () => {
    const strict = createDeployment(`issuers:
  company: { issuer: 'https://login.example.com', audience: [ostiary], authentication: { acrValues: [gold], maxAgeSeconds: 600 } }
providers: { openai: { format: openai } }
models: { gpt-5: { provider: openai } }
access:
  deny: [192.0.2.0/24]
  operations: { openai.responses: { require: [{ kinds: [user] }] } }
`)
    try {
      const file = join(strict.folder, 'cases.yaml')
      const one = (name: string, principal: string, because: string, ip = '127.0.0.1', action = 'openai.chat') =>
        `  - { name: ${name}, principal: { ${principal} }, actions: [${action}], models: [gpt-5], context: { ip: ${ip} }, ${because} }\n`
      const cases = [
        one('good', 'kind: user, acr: gold, authenticatedAgo: 5m', 'expect: allow'),
        one('weak', 'kind: user, authenticatedAgo: 5m', 'expect: deny, because: login'),
        one('late', 'kind: user, acr: gold, authenticatedAgo: 11m', 'expect: deny, because: login'),
        one('program', 'kind: service', 'expect: allow'),
        one('elsewhere', 'kind: key', 'expect: deny, because: address', '192.0.2.9'),
        one('other', 'kind: key', 'expect: deny, because: requirement', '127.0.0.1', 'openai.responses'),
      ]
      writeFileSync(file, `cases:\n${cases.join('')}`)
      const { code, stdout, stderr } = await runCli(strict.env, 'policy', 'test', file)
      assert.deepEqual([code, stderr, stdout], [0, '', '6 decisions of 6 cases in 1 file: all as expected.\n'])
    } finally {
      strict[Symbol.dispose]()
    }
  })

  for (const [what, changed, said] of [
    ['an unknown role', cases.replace('[editor]', '[edittor]'), 'there is no role "edittor"; did you mean "editor"?'],
    [
      'an unknown action',
      cases.replace('[openai.chat]', '[openai.chatt]'),
      'there is no action "openai.chatt"; did you mean "openai.chat"?',
    ],
    ['an action that lists', cases.replace('[openai.chat]', '[openai.models]'), 'there is no action "openai.models"'],
    [
      'an unknown model',
      cases.replace('[gpt-5]', '[gpt-6]'),
      '"gpt-6" cannot be called with openai.chat: the model does not exist',
    ],
    [
      'a model of another format',
      cases.replace('[openai.chat]', '[anthropic.messages]'),
      '"gpt-5" cannot be called with anthropic.messages',
    ],
    ['no model', cases.replace('    models: [gpt-5]\n', ''), 'is missing: openai.chat is an action on models'],
    [
      'an unknown policy',
      cases.replace('[editor.cheap]', '[editor.cheep]'),
      'there is no policy "editor.cheep"; did you mean "editor.cheap"?',
    ],
    [
      'an unknown issuer',
      cases.replace('kind: user,', 'kind: user, issuer: compny,'),
      'there is no issuer "compny"; did you mean "company"?',
    ],
    [
      'an unknown scope',
      cases.replace('kind: user,', "kind: user, scopes: ['chat:creat'],"),
      'there is no scope "chat:creat"; did you mean "chat:create"?',
    ],
    [
      'an unknown operation',
      cases.replace('kind: user,', 'kind: user, operations: [openai.cat],'),
      'there is no action "openai.cat"',
    ],
    [
      'a block that is none',
      cases.replace('kind: user,', 'kind: user, cidrs: [10.0.0.1/8],'),
      '"10.0.0.1/8" has bits beyond its prefix of 8',
    ],
    ['a login of a key', cases.replace('kind: user,', 'kind: key, acr: mfa,'), 'must not be set: a key is no token'],
    [
      'tags of a person',
      cases.replace('kind: user,', 'kind: user, tags: { a: b },'),
      'must not be set: only keys have metadata',
    ],
    [
      'an unknown feature',
      `${night}`.replace("time: '2026-01-31T23:00:00Z'", 'features: [tool]').replace(/^/, 'cases:\n'),
      'there is no feature "tool"; did you mean "tools"?',
    ],
    [
      'a path of a call to a model',
      `${night}`.replace("time: '2026-01-31T23:00:00Z'", 'path: /a').replace(/^/, 'cases:\n'),
      'must not be set: openai.chat is an action on models',
    ],
  ] as const) {
    test(`refuses ${what}, as what cannot be`, async () => {
      const file = write(changed)
      const { code, stdout, stderr } = await policy('test')
      assert.deepEqual([code, stdout], [2, ''])
      assert.match(stderr, /^The cases for policies are not valid \(policy\.cases_invalid\)\n/)
      assert.ok(stderr.includes(`${file}:`), stderr)
      assert.ok(stderr.includes(said), stderr)
    })
  }

  test('refuses a matrix that was meant otherwise', async () => {
    const many = (what: string) => Array.from({ length: 100 }, (_, n) => `${what}${n}`).join(', ')
    const open = createDeployment('providers: { openai: { format: openai } }\nmodels: { m*: { provider: openai } }\n')
    try {
      const one = (n: number) =>
        `  - { name: c${n}, principal: { kind: key }, actions: [openai.chat], models: [${many('m')}], expect: allow }\n`
      const file = join(open.folder, 'many.yaml')
      writeFileSync(file, `cases:\n${Array.from({ length: 101 }, (_, n) => one(n)).join('')}`)
      const { code, stderr } = await runCli(open.env, 'policy', 'test', file)
      assert.equal(code, 2)
      assert.match(stderr, /ask 10100 questions; at most 10000 are in one file/)
    } finally {
      open[Symbol.dispose]()
    }
  })

  test('names all that is wrong in all files', async () => {
    write(cases.replace('[editor]', '[edittor]'))
    const other = write('cases: []\n', 'other.yaml')
    const { code, stderr } = await policy('test')
    assert.equal(code, 2)
    assert.match(stderr, /"edittor"[\s\S]*other\.yaml:1:1: cases: has no case/)
    assert.equal((await policy('test', other)).code, 2)
    writeFileSync(other, `cases:\n${night}`)
  })

  test('takes files and folders, and refuses those that test nothing', async () => {
    const file = write(cases)
    const other = write(`cases:\n${night}`, 'other.yaml')
    const count = async (...args: string[]) => /^\d+/.exec((await policy('test', ...args)).stdout)?.[0]
    assert.deepEqual(await Promise.all([count(), count(file), count(other), count(tests, file)]), ['4', '3', '1', '4'])
    const empty = join(deployment.folder, 'empty')
    mkdirSync(empty)
    for (const path of [empty, join(deployment.folder, 'nowhere'), join(deployment.folder, 'nothing.yaml')]) {
      const { code, stdout, stderr } = await policy('test', path)
      assert.deepEqual([code, stdout], [2, ''])
      assert.ok(stderr.includes(path), stderr)
    }
  })

  test('lists the policies that no case reached, and fails if that is wanted', async () => {
    write(cases)
    write(`cases:\n${night}`, 'other.yaml')
    const whole = await policy('test', '--require-coverage')
    assert.deepEqual([whole.code, whole.stdout.split('\n')[1]], [0, 'Every policy determined a case.'])
    const [file] = [join(tests, 'editors.yaml')]
    const listed = await policy('test', '--coverage', file)
    assert.deepEqual(
      [listed.code, listed.stdout.split('\n').slice(1)],
      [0, ['1 policy determined no case:', '  night.expensive', '']],
    )
    const failed = await policy('test', '--require-coverage', '--json', file)
    assert.equal(failed.code, 1)
    assert.deepEqual(JSON.parse(failed.stdout), {
      ok: true,
      files: 1,
      cases: 2,
      decisions: 3,
      failed: [],
      untested: ['night.expensive'],
    })
  })

  test('writes JUnit XML, also of what failed', async () => {
    write(
      cases.replace('expect: allow\n    by: [editor.cheap]', 'expect: deny').replace('an editor', 'an <editor> & "co"'),
    )
    const report = join(deployment.folder, 'report.xml')
    assert.equal((await policy('test', '--junit', report)).code, 1)
    const xml = readFileSync(report, 'utf8')
    assert.match(xml, /^<\?xml version="1\.0" encoding="UTF-8"\?>\n<testsuites tests="4" failures="2" errors="0"/)
    assert.ok(
      xml.includes('name="an &lt;editor&gt; &amp; &quot;co&quot; calls the cheap models: openai.chat on gpt-5-mini"'),
      xml,
    )
    const nowhere = await policy('test', '--junit', join(deployment.folder, 'no', 'report.xml'))
    assert.equal(nowhere.code, 2)
  })

  test('decides under another folder of policies', async () => {
    write(cases)
    const folder = join(deployment.folder, 'changed')
    mkdirSync(join(folder, 'tests'), { recursive: true })
    // Both groups are still spoken of: one that is not is refused.
    const other = { cheap: 'expensive', expensive: 'cheap' } as const
    const swapped = cedar.replace(/"(cheap|expensive)"/g, (_, name: keyof typeof other) => `"${other[name]}"`)
    writeFileSync(join(folder, 'editor.cedar'), swapped)
    const { code, stdout } = await policy('test', '--policies', folder, join(tests, 'editors.yaml'))
    assert.equal(code, 1)
    assert.ok(stdout.includes('expected allow, came deny: no policy permits'), stdout)
    // Those beside the other policies are its own.
    assert.equal((await policy('test', '--policies', folder)).code, 2)
  })

  test('refuses policies that are not valid', async () => {
    const folder = join(deployment.folder, 'broken')
    mkdirSync(folder, { recursive: true })
    writeFileSync(join(folder, 'editor.cedar'), cedar.replace('"editor"', '"edittor"'))
    for (const command of ['test', 'check', 'list']) {
      const { code, stdout, stderr } = await policy(command, '--policies', folder)
      assert.deepEqual([code, stdout], [2, ''])
      assert.match(stderr, /config\.invalid[\s\S]*editor\.cedar[\s\S]*edittor/)
    }
  })
})

describe('ostiary policy check, list and schema', () => {
  test('tell of the policies of the configuration', async () => {
    assert.equal((await policy('check')).stdout, 'ok\npolicies: 3 of your own, 8 shipped\n')
    assert.deepEqual(JSON.parse((await policy('check', '--json')).stdout), { ok: true, own: 3, shipped: 8 })
    const listed = JSON.parse((await policy('list', '--json')).stdout) as { id: string; shipped: boolean }[]
    assert.deepEqual(
      listed.filter(({ shipped }) => !shipped),
      [
        {
          id: 'editor.cheap',
          effect: 'permit',
          file: 'editor.cedar',
          line: 1,
          shipped: false,
          shadow: false,
          decided: 'once',
        },
        {
          id: 'night.expensive',
          effect: 'forbid',
          file: 'editor.cedar',
          line: 8,
          shipped: false,
          shadow: false,
          decided: 'each call',
        },
        {
          id: 'tools.editor',
          effect: 'forbid',
          file: 'editor.cedar',
          line: 12,
          shipped: false,
          shadow: true,
          decided: 'each call',
        },
      ],
    )
    const { stdout } = await policy('list')
    assert.match(stdout, /^night\.expensive +forbid +editor\.cedar:8 +enforced +each call$/m)
    assert.match(stdout, /^ostiary\.viewer +permit +shipped +enforced +once$/m)
    assert.match((await policy('schema')).stdout, /^namespace Ostiary \{[\s\S]*entity Role enum \[[^\]]*"editor"/)
  })
})

describe('ostiary policy explain, of callers that are described', () => {
  const explain = async (...args: string[]) => {
    const { code, stdout, stderr } = await policy(
      'explain',
      '--json',
      '--model',
      'gpt-5',
      '--action',
      'openai.chat',
      ...args,
    )
    assert.equal(code, 0, stderr)
    return JSON.parse(stdout)
  }

  test('says which policy it is, and who would be allowed', async () => {
    const { allowed, decision, ceilings } = await explain(
      '--principal',
      'user',
      '--role',
      'editor',
      '--time',
      '2026-01-31T12:00:00Z',
    )
    assert.deepEqual([allowed, decision.policies, decision.error], [false, [], null])
    assert.deepEqual(decision.roles_that_allow, ['developer', 'admin', 'owner'])
    assert.ok(ceilings.every(({ allows }: { allows: boolean }) => allows))
    const late = await explain('--principal', 'key', '--time', '2026-01-31T23:00:00Z')
    assert.deepEqual(
      [late.allowed, late.decision.policies, late.decision.roles_that_allow],
      [false, ['night.expensive'], []],
    )
    assert.deepEqual(
      late.policies
        .map(({ id, says }: { id: string; says: string }) => `${id} ${says}`)
        .filter((said: string) => !said.endsWith('silent')),
      ['ostiary.models permits', 'night.expensive forbids'],
    )
  })

  test('says which ceilings refuse, all of them', async () => {
    const { allowed, ceilings } = await explain(
      ...[
        '--principal',
        'key',
        '--scopes',
        'embeddings:create,models:read',
        '--models',
        'gpt-5-*',
        '--cidr',
        '10.0.0.0/8',
      ],
      ...[
        '--ip',
        '192.0.2.1',
        '--environment',
        'test',
        '--operations',
        'openai.embeddings',
        '--time',
        '2026-01-31T12:00:00Z',
      ],
    )
    assert.equal(allowed, false)
    assert.deepEqual(
      ceilings
        .filter(({ allows }: { allows: boolean }) => !allows)
        .map(({ ceiling, missing }: { ceiling: string; missing: string[] }) => [ceiling, ...missing]),
      [['addresses'], ['scopes', 'chat:create'], ['operations'], ['models'], ['environment']],
    )
  })

  test('says what policies in shadow would do', async () => {
    const { allowed, decision } = await explain(
      '--principal',
      'user',
      '--role',
      'editor',
      '--model',
      'gpt-5-mini',
      '--feature',
      'tools',
    )
    assert.equal(allowed, true)
    assert.deepEqual(decision.shadow, { allowed: false, policies: ['tools.editor'] })
  })

  test('reads who a token is about, and what its rules give', async () => {
    const part = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url')
    const token = (claims: object) =>
      `${part({ alg: 'ES256' })}.${part({ iss: 'https://login.example.com', sub: '2482', ...claims })}.AAAA`
    const ask = (input: string, ...args: string[]) =>
      runCliWith(
        deployment.env,
        input,
        ...['policy', 'explain', '--token-from-stdin', '--action', 'openai.chat', '--model', 'gpt-5-mini', ...args],
      )
    const { code, stdout } = await ask(token({ groups: ['editors'] }), '--json')
    const { allowed, caller, decision } = JSON.parse(stdout)
    assert.deepEqual([code, allowed, decision.policies], [0, true, ['editor.cheap']])
    assert.deepEqual(caller, {
      kind: 'user',
      id: 'company:2482',
      project: 'proj_default',
      environment: 'live',
      roles: ['editor'],
      status: null,
    })
    const nothing = await ask(token({}))
    assert.match(
      nothing.stdout,
      /denied\n[\s\S]*scopes +refuse, 403 policy\.scope: The token of company:2482 lacks the scope chat:create\./,
    )
    for (const input of ['not a token', token({ iss: 'https://other.example.com' }), token({ sub: 7 })]) {
      const refused = await ask(input)
      assert.deepEqual([refused.code, refused.stdout], [2, ''])
      assert.ok(!refused.stderr.includes(input))
    }
  })

  for (const [args, said] of [
    [['--action', 'openai.chat', '--model', 'gpt-5'], /one way/],
    [['--principal', 'key', '--token-from-stdin', '--action', 'openai.chat'], /one way/],
    [['--principal', 'key', '--model', 'gpt-5'], /--action is missing/],
    [['--principal', 'key', '--action', 'openai.chat'], /--model: is missing/],
    [['--principal', 'kee', '--action', 'openai.chat', '--model', 'gpt-5'], /--principal takes/],
    [
      ['--principal', 'key', '--role', 'edittor', '--action', 'openai.chat', '--model', 'gpt-5'],
      /did you mean "editor"/,
    ],
    [['--principal', 'key', '--action', 'openai.chatt', '--model', 'gpt-5'], /did you mean "openai.chat"/],
    [
      ['--principal', 'key', '--action', 'openai.chat', '--model', 'gpt-5', '--ip', '10'],
      /--ip: must be an IP address/,
    ],
    [
      ['--principal', 'key', '--action', 'openai.chat', '--model', 'gpt-5', '--feature', 'tool'],
      /did you mean "tools"/,
    ],
    [['--principal', 'key', '--action', 'openai.chat', '--model', 'gpt-5', '--path', '/a'], /--path/],
    [
      ['--principal', 'key', '--authenticated-ago', '5', '--action', 'openai.chat', '--model', 'gpt-5'],
      /--authenticated-ago 5/,
    ],
    [
      ['--key', 'key_1', '--role', 'editor', '--action', 'openai.chat', '--model', 'gpt-5'],
      /--role goes with --principal/,
    ],
    [['--key', 'key_1', '--policies', 'x', '--action', 'openai.chat', '--model', 'gpt-5'], /--config and --policies/],
  ] as const) {
    test(`explain ${args.join(' ')} is wrong usage`, async () => {
      const { code, stdout, stderr } = await policy('explain', ...args)
      assert.deepEqual([code, stdout], [2, ''], stderr)
      assert.match(stderr, said)
    })
  }
})
