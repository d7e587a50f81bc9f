import assert from 'node:assert/strict'
import { createHash, generateKeyPairSync, type KeyObject, randomBytes, sign } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type RequestListener } from 'node:http'
import { type AddressInfo, connect } from 'node:net'
import { after, before, describe, type TestContext, test } from 'node:test'
import { inspect } from 'node:util'
import { internalActor } from '#core/actor.ts'
import type { ChangeEvent } from '#core/events.ts'
import { ask, type Gateway, type Reply, startGateway, until } from '../support/gateway.ts'

const by = internalActor('test')
const pem = (key: KeyObject) => key.export({ type: 'spki', format: 'pem' }) as string
const reporter = generateKeyPairSync('ec', { namedCurve: 'prime256v1' })
const stranger = generateKeyPairSync('ec', { namedCurve: 'prime256v1' })
const otherCurve = generateKeyPairSync('ec', { namedCurve: 'secp256k1' })

const yaml = (leakReports: object) => `keys: ${JSON.stringify({ leakReports })}\n`
const trusting = { publicKeys: { scanner: pem(reporter.publicKey) } }

interface Sent {
  readonly keyId?: string
  readonly signer?: KeyObject
  readonly signature?: string | null
  readonly path?: string
  readonly headers?: Record<string, string>
}

function post(gateway: Gateway, body: string | Buffer, sent: Sent = {}): Promise<Reply> {
  const { keyId = 'scanner', signer = reporter.privateKey, path = '/leaked-keys' } = sent
  const { signature = sign('sha256', Buffer.from(body), signer).toString('base64') } = sent
  return ask(gateway.url + path, {
    body,
    headers: {
      'content-type': 'application/json',
      'github-public-key-identifier': keyId,
      ...(signature !== null && { 'github-public-key-signature': signature }),
      ...sent.headers,
    },
  })
}

const found = (token: string) => ({ token, type: 'ostiary_key', url: 'https://example.com/x', source: 'content' })
const report = (...tokens: string[]) => JSON.stringify(tokens.map(found))
const labels = ({ text }: Reply) => (JSON.parse(text) as { label: string }[]).map(({ label }) => label)

async function eventsOf(gateway: Gateway, key: string): Promise<ChangeEvent[]> {
  const events = (await gateway.ostiary.store.events.list({ limit: 10_000 })) as ChangeEvent[]
  return events.filter(({ subject }) => subject === key).reverse()
}

const mint = async (gateway: Gateway) => {
  const { record, secret } = await gateway.ostiary.keys.mint({ name: 'leaked', environment: 'live' }, by)
  return { id: record.id, text: secret.reveal() }
}

const works = async (gateway: Gateway, key: string) => {
  const { status } = await ask(`${gateway.url}/v1/models`, {
    method: 'GET',
    headers: { authorization: `Bearer ${key}` },
  })
  return status === 200
}

describe('reports of leaked keys', () => {
  let gateway: Gateway
  before(async () => {
    gateway = await startGateway({ yaml: yaml({ ...trusting, maxReportsPerMinute: 10_000 }), workers: 2 })
  })
  after(() => gateway[Symbol.asyncDispose]())

  test('end the keys, label each token, and do nothing the second time', async () => {
    const [one, two] = [await mint(gateway), await mint(gateway)]
    assert.ok((await works(gateway, one.text)) && (await works(gateway, two.text)))
    const body = report(one.text, 'sk-proj-of-somebody-else', `${two.text}x`)
    const reply = await post(gateway, body)
    assert.deepEqual([reply.status, reply.headers['content-type']], [200, 'application/json'])
    const digest = (text: string) => createHash('sha256').update(text).digest('hex')
    assert.deepEqual(JSON.parse(reply.text), [
      { token_hash: digest(one.text), token_type: 'ostiary_key', label: 'true_positive' },
      { token_hash: digest('sk-proj-of-somebody-else'), token_type: 'ostiary_key', label: 'false_positive' },
      { token_hash: digest(`${two.text}x`), token_type: 'ostiary_key', label: 'false_positive' },
    ])
    assert.equal(await works(gateway, one.text), false)
    assert.equal(await works(gateway, two.text), true)
    assert.deepEqual(labels(await post(gateway, body)), ['true_positive', 'false_positive', 'false_positive'])
    const events = await eventsOf(gateway, one.id)
    assert.deepEqual(
      events.map(({ type, actor }) => [type, actor]),
      [
        ['key.created', 'test'],
        ['key.leak_reported', 'leak-report'],
        ['key.revoked', 'leak-report'],
      ],
    )
    assert.equal(events[1]?.requestId, reply.headers['x-request-id'])
    assert.equal(events[1]?.source, '127.0.0.1')
    assert.equal((await eventsOf(gateway, two.id)).length, 1)
  })

  test('are refused alike whatever is wrong with the signature, and change nothing', async () => {
    const key = await mint(gateway)
    const body = report(key.text)
    const good = sign('sha256', Buffer.from(body), reporter.privateKey)
    const flipped = Buffer.from(good)
    flipped[20] = (flipped[20] as number) ^ 1
    const raw = sign('sha256', Buffer.from(body), { key: reporter.privateKey, dsaEncoding: 'ieee-p1363' })
    const bad: Record<string, Sent> = {
      'no signature': { signature: null },
      'an empty one': { signature: '' },
      'a truncated one': { signature: good.subarray(0, -3).toString('base64') },
      'a changed one': { signature: flipped.toString('base64') },
      'one that is longer': { signature: Buffer.concat([good, Buffer.alloc(1)]).toString('base64') },
      'a huge one': { signature: randomBytes(4000).toString('base64') },
      'not base64': { signature: '!!!!' },
      'of zeros': { signature: Buffer.from('3006020100020100', 'hex').toString('base64') },
      'in another encoding': { signature: raw.toString('base64') },
      'over another body': { signature: sign('sha256', Buffer.from('[]'), reporter.privateKey).toString('base64') },
      'by another digest': { signature: sign('sha384', Buffer.from(body), reporter.privateKey).toString('base64') },
      'by a stranger': { signer: stranger.privateKey },
      'on another curve': { signer: otherCurve.privateKey },
      'an unknown key': { keyId: 'scannes' },
      'no key': { keyId: '' },
      'a member of every object': { keyId: '__proto__' },
      'two keys': { headers: { 'github-public-key-identifier': 'scanner, scanner' } },
      'a very long key': { keyId: 'a'.repeat(8000) },
    }
    const answers = new Set<string>()
    for (const [what, sent] of Object.entries(bad)) {
      const { status, text, headers } = await post(gateway, body, sent)
      assert.equal(status, 403, what)
      const { 'x-request-id': id, date: _, ...others } = headers
      answers.add(inspect([text.replaceAll(String(id), ''), others]))
    }
    // The signature is over the bytes: the same JSON in other ones is another report.
    const spaced = body.replace('[', '[ ')
    assert.equal((await post(gateway, spaced, { signature: good.toString('base64') })).status, 403)
    assert.equal(answers.size, 1)
    assert.equal(await works(gateway, key.text), true)
    assert.equal((await eventsOf(gateway, key.id)).length, 1)
    const [refusal] = await gateway.refusals(Object.keys(bad).length + 1)
    assert.deepEqual([refusal?.route, refusal?.problem], ['leaked_keys', 'leak.unverified'])
  })

  test('that are signed and cannot be read are refused, without a word of what they hold', async () => {
    const key = await mint(gateway)
    for (const [body, status] of [
      [`[{"token":"${key.text}"`, 400],
      [JSON.stringify(found(key.text)), 400],
      [JSON.stringify([{ token: key.text }]), 400],
      [JSON.stringify([{ ...found(key.text), type: 'x'.repeat(257) }]), 400],
      [JSON.stringify([found(key.text), null]), 400],
      [JSON.stringify([{ ...found(key.text), token: [key.text] }]), 400],
      ['[', 400],
      [Buffer.from([0xff, 0xfe]), 400],
      ['['.repeat(500_000), 400],
      [report(...Array.from({ length: 1001 }, () => key.text)), 400],
      [report(key.text).padEnd(1024 * 1024 + 1), 413],
    ] as const) {
      const reply = await post(gateway, body)
      assert.equal(reply.status, status, String(body).slice(0, 60))
      assert.ok(!reply.text.includes(key.text))
    }
    assert.equal((await post(gateway, report(key.text), { headers: { 'content-type': 'text/plain' } })).status, 415)
    assert.equal(await works(gateway, key.text), true)
    assert.deepEqual(labels(await post(gateway, '[]')), [])
  })

  test('hold up to a thousand tokens', async () => {
    const key = await mint(gateway)
    const strangers = Array.from({ length: 999 }, () => `sk_live_${randomBytes(24).toString('hex')}`)
    const told = labels(await post(gateway, report(...strangers, key.text)))
    assert.equal(told.length, 1000)
    assert.deepEqual([told.indexOf('true_positive'), told.lastIndexOf('true_positive')], [999, 999])
    assert.equal(await works(gateway, key.text), false)
  })

  test('end no key whose text the reporter does not have: not by its id, its hint, or a key of another gateway', async () => {
    await using other = await startGateway({ yaml: '{}\n' })
    const theirs = await mint(other)
    const key = await mint(gateway)
    const hint = `sk_live_…${key.text.slice(-4)}`
    const guesses = [key.id, hint, key.text.slice(0, -6), key.text.toUpperCase(), `${key.text} `, theirs.text, '', '*']
    assert.deepEqual(
      labels(await post(gateway, report(...guesses))),
      guesses.map(() => 'false_positive'),
    )
    assert.equal(await works(gateway, key.text), true)
  })

  test('a thousand at once end a key once', async () => {
    const key = await mint(gateway)
    const body = report(key.text)
    const replies = await Promise.all(Array.from({ length: 1000 }, () => post(gateway, body)))
    const counts = Map.groupBy(replies, ({ status }) => status)
    // Those that came while too many bodies were being received gave way.
    assert.deepEqual(
      [...counts.keys()].filter(status => status !== 200 && status !== 408),
      [],
    )
    assert.ok((counts.get(200)?.length ?? 0) >= 1)
    for (const reply of counts.get(200) ?? []) assert.deepEqual(labels(reply), ['true_positive'])
    assert.deepEqual(
      (await eventsOf(gateway, key.id)).map(({ type }) => type),
      ['key.created', 'key.leak_reported', 'key.revoked'],
    )
  })

  test('whoever sends bodies slowly keeps no other report out', async () => {
    const key = await mint(gateway)
    const { port } = new URL(gateway.url)
    const body = report(key.text)
    const signature = sign('sha256', Buffer.from(body), stranger.privateKey).toString('base64')
    const head = `POST /leaked-keys HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 500000\r\nGithub-Public-Key-Identifier: scanner\r\nGithub-Public-Key-Signature: ${signature}\r\n\r\n`
    const slow = Array.from({ length: 200 }, () => connect(Number(port), '127.0.0.1').on('error', () => {}))
    try {
      const answers = slow.map(socket => once(socket, 'data'))
      for (const socket of slow) socket.write(head)
      // More than two workers wait for: the first of them have been sent away.
      await Promise.any(answers)
      assert.deepEqual(labels(await post(gateway, body)), ['true_positive'])
    } finally {
      for (const socket of slow) socket.destroy()
    }
  })

  test('no token stands in an event', async () => {
    const key = await mint(gateway)
    await post(gateway, report(key.text))
    await post(gateway, report(key.text), { signer: stranger.privateKey })
    await until('refusals', async () => (await gateway.refusals(1)).length > 0)
    const events = JSON.stringify(await gateway.ostiary.store.events.list({ limit: 10_000 }))
    assert.ok(events.includes(key.id))
    assert.ok(!events.includes(key.text.slice(8)))
  })
})

test('without keys, and for anything but a post, the path is one that leads nowhere', async () => {
  await using off = await startGateway()
  await using on = await startGateway({ yaml: yaml(trusting) })
  const refusal = ({ status, text, headers }: Reply) => [status, text.replaceAll(String(headers['x-request-id']), '')]
  const nowhere = refusal(await post(off, '[]', { path: '/leaked-keyz' }))
  assert.equal(nowhere[0], 401)
  assert.deepEqual(refusal(await post(off, '[]')), nowhere)
  for (const path of ['/leaked-keys/', '/leaked-keys?x', '//leaked-keys', '/leaked%2dkeys']) {
    assert.deepEqual(refusal(await post(on, '[]', { path })), nowhere, path)
  }
  const headers = { authorization: `Bearer ${on.testKey}` }
  assert.equal((await ask(`${on.url}/leaked-keys`, { method: 'GET', headers })).status, 404)
  assert.equal((await post(on, '[]')).status, 200)
})

test('flagging marks the key, which works on, once for each of its texts', async () => {
  await using gateway = await startGateway({ yaml: yaml({ ...trusting, action: 'flag' }) })
  const { keys } = gateway.ostiary
  const key = await mint(gateway)
  const types = async () => (await eventsOf(gateway, key.id)).map(({ type }) => type)
  assert.deepEqual(labels(await post(gateway, report(key.text))), ['true_positive'])
  assert.deepEqual(labels(await post(gateway, report(key.text))), ['true_positive'])
  assert.equal(await works(gateway, key.text), true)
  const flagged = await keys.find(key.id, by)
  assert.ok(flagged.leakReportedAt !== null && flagged.leakReportedAt >= flagged.createdAt)
  assert.deepEqual(await types(), ['key.created', 'key.leak_reported'])
  // The secret that leaked is told of once; one that was made later is another matter.
  const { secret } = await keys.rotate(key.id, 0, by)
  assert.deepEqual(labels(await post(gateway, report(key.text))), ['true_positive'])
  assert.deepEqual(await types(), ['key.created', 'key.leak_reported', 'key.rotated'])
  await post(gateway, report(secret.reveal()))
  assert.deepEqual(await types(), ['key.created', 'key.leak_reported', 'key.rotated', 'key.leak_reported'])
  assert.equal(await works(gateway, secret.reveal()), true)
})

test('beyond the bound of a minute, signed reports are refused; forged ones do not count', async () => {
  await using gateway = await startGateway({ yaml: yaml({ ...trusting, maxReportsPerMinute: 2 }), workers: 2 })
  for (let i = 0; i < 20; i++) assert.equal((await post(gateway, '[]', { signer: stranger.privateKey })).status, 403)
  const statuses = []
  for (let i = 0; i < 4; i++) statuses.push((await post(gateway, '[]')).status)
  assert.deepEqual(statuses, [200, 200, 429, 429])
  assert.equal((await post(gateway, '[]')).headers['retry-after'], '60')
})

test('keys are fetched when a report names one that is not known, and random names fetch nothing more', async t => {
  let fetched = 0
  const port = await serve(t, (req, res) => {
    fetched++
    assert.equal(req.headers['user-agent'], 'ostiary')
    const entries = [
      { key_identifier: 'new', key: pem(reporter.publicKey), is_current: true },
      { key_identifier: 'curve', key: pem(otherCurve.publicKey), is_current: true },
      null,
    ]
    res.setHeader('content-type', 'application/json').end(JSON.stringify({ public_keys: entries }))
  })
  const leakReports = { keysUrl: `http://127.0.0.1:${port}/keys` }
  await using gateway = await startGateway({ yaml: yaml(leakReports), workers: 2 })
  assert.equal(fetched, 0)
  const key = await mint(gateway)
  const first = await Promise.all(Array.from({ length: 20 }, () => post(gateway, report(key.text), { keyId: 'new' })))
  assert.deepEqual(
    first.filter(({ status }) => status !== 200),
    [],
  )
  assert.equal((await post(gateway, '[]', { keyId: 'curve', signer: otherCurve.privateKey })).status, 403)
  for (let i = 0; i < 50; i++) assert.equal((await post(gateway, '[]', { keyId: `made-up-${i}` })).status, 403)
  assert.equal(fetched, 1)
  assert.equal(await works(gateway, key.text), false)
})

test('a source of keys that redirects, fails or never ends leaves reports refused', async t => {
  for (const answer of [
    (_req, res) => res.writeHead(302, { location: '/elsewhere' }).end(),
    (_req, res) => res.writeHead(500).end('{}'),
    (_req, res) => res.end('{"public_keys": {}}'),
    (_req, res) => res.end('null'),
    (_req, res) => {
      const text = ' '.repeat(65_536)
      const more = () => {
        while (res.write(text));
      }
      res.on('drain', more)
      more()
    },
  ] as RequestListener[]) {
    const port = await serve(t, answer)
    await using gateway = await startGateway({ yaml: yaml({ keysUrl: `http://127.0.0.1:${port}/keys` }) })
    assert.equal((await post(gateway, '[]', { keyId: 'new' })).status, 403)
  }
})

async function serve(t: TestContext, listener: RequestListener): Promise<number> {
  const server = createServer(listener).listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => {
    server.closeAllConnections()
    server.close()
  })
  return (server.address() as AddressInfo).port
}
