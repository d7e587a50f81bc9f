import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { DatabaseSync } from 'node:sqlite'
import { after, before, describe, test } from 'node:test'
import fc from 'fast-check'
import { Compile } from 'typebox/schema'
import type { OpenApi } from '#admin/openapi.ts'
import type { Schema } from '#admin/operation.ts'
import { adminScopes } from '#core/operator.ts'
import { problemTypes } from '#core/problems.ts'
import {
  type Described,
  type Fault,
  hashDatabase,
  listFaults,
  listOperations,
  type Sent,
  send,
} from '../support/admin-operations.ts'
import { type Gateway, type Reply, startGateway } from '../support/gateway.ts'
import { bootstrapToken } from '../support/process.ts'

/** What of each kind there is in project A and in project B, by tag of the operations on it. */
type Fixtures = Map<string, { readonly a: Fixture; readonly b: Fixture }>
type Fixture = Readonly<Record<string, unknown>>

let gateway: Gateway
let root: string
let operations: Described[]
let fixtures: Fixtures
let projects: { readonly a: string; readonly b: string }

before(async () => {
  // Whose tokens can be revoked.
  const issuer = (port: number) => `{ issuer: 'http://127.0.0.1:${port}', audience: [ostiary] }`
  gateway = await startGateway({ yaml: `issuers: { company: ${issuer(1)}, partner: ${issuer(2)} }\n` })
  root = await makeToken(bootstrapToken(gateway.dataDirectory), { scopes: adminScopes })
  const served = await send(gateway.adminUrl, 'GET', { token: root, path: '/api/openapi.json' })
  operations = listOperations(JSON.parse(served.text) as OpenApi)
  ;({ projects, fixtures } = await makeFixtures())
})
after(() => gateway[Symbol.asyncDispose]())

const database = () => gateway.ostiary.dataDirectory.database

async function makeToken(by: string, body: object): Promise<string> {
  const text = JSON.stringify({ name: 'made for the test', ...body })
  const reply = await send(gateway.adminUrl, 'POST', { token: by, path: '/api/tokens', body: text })
  assert.equal(reply.status, 201, reply.text)
  const { secret } = JSON.parse(reply.text)
  // Its first use is written; what it does later is not.
  await send(gateway.adminUrl, 'GET', { token: secret, path: '/api/openapi.json' })
  return secret
}

/** One of everything that can be made, in each of two projects: by the example of the operation that makes it. */
async function makeFixtures() {
  const made: Fixtures = new Map()
  // What has no id of the gateway's choice is made by `PUT` under a name.
  const creators = operations.filter(
    ({ method, path, bodyExample }) =>
      bodyExample &&
      ((method === 'POST' && /^\/api\/[a-z]+$/.test(path)) ||
        (method === 'PUT' && /^\/api\/[a-z]+\/\{\w+\}$/.test(path))),
  )
  // Projects first: the others belong to them.
  creators.sort((x, y) => Number(y.tag === 'projects') - Number(x.tag === 'projects'))
  let own = { a: `proj_${'a'.repeat(26)}`, b: `proj_${'b'.repeat(26)}` }
  for (const creator of creators) {
    const a = await make(creator, own.a, 'a')
    const b = await make(creator, own.b, 'b')
    made.set(creator.tag, { a, b })
    if (creator.tag === 'projects') own = { a: String(a.id), b: String(b.id) }
  }
  // These are made in the configuration.
  made.set('issuers', { a: { name: 'company' }, b: { name: 'partner' } })
  return { projects: own, fixtures: made }
}

async function make(creator: Described, project: string, suffix: string): Promise<Fixture> {
  const body = JSON.stringify(bodyFor(creator, project, suffix))
  const path = creator.path.replace(/\{\w+\}/, `fixture-${suffix}`)
  const reply = await send(gateway.adminUrl, creator.method, { token: root, path, body })
  assert.ok(reply.status < 300, `${creator.id} ${body}: ${reply.text}`)
  const object = Object.values(JSON.parse(reply.text)).find(value => typeof value === 'object' && value !== null)
  return object as Fixture
}

function bodyFor({ body, bodyExample }: Described, project: string, suffix: string): object {
  const { name } = bodyExample ?? {}
  const has = (member: string) => body?.properties?.[member] !== undefined
  return {
    ...bodyExample,
    ...(typeof name === 'string' && { name: `${name}${suffix}` }),
    ...(has('project') && { project }),
    ...(has('projects') && { projects: [project] }),
  }
}

/** A request that is good, for what is in project A. */
function goodRequest(operation: Described, of: 'a' | 'b' = 'a', token: string | null = root): Sent {
  const fixture = fixtures.get(operation.tag)?.[of]
  const names = Object.fromEntries(parametersOf(operation).map(name => [name, String(fixture?.[name] ?? 'nothing')]))
  const body = operation.bodyExample && JSON.stringify(bodyFor(operation, projects[of], `${of}2`))
  return { token, path: fill(operation.path, names), body }
}

function parametersOf({ path }: Described): string[] {
  return [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => String(name))
}

function fill(path: string, names: Readonly<Record<string, string>>): string {
  return path.replace(/\{(\w+)\}/g, (_, name: string) => names[name] ?? '')
}

/** The same id as far as anyone can tell, but of nothing. */
function idOfNothing(id: string): string {
  return id.replace(/[0-9a-z]{26}$/, '0'.repeat(26))
}

/** A refusal is one of those that the document names for the operation, in the form it names. */
function assertRefused({ operation, id }: Described, reply: Reply, statuses: readonly number[], why: string): void {
  const said = `${id}, ${why}: ${reply.status} ${reply.text.slice(0, 300)}`
  assert.ok(statuses.includes(reply.status), said)
  assert.match(String(reply.headers['content-type']), /^application\/problem\+json/, said)
  const { code, status, type, request_id: requestId } = JSON.parse(reply.text)
  assert.deepEqual(
    [status, type, requestId],
    [reply.status, `urn:ostiary:problem:${code}`, reply.headers['x-request-id']],
    said,
  )
  assert.equal(problemTypes[code as keyof typeof problemTypes]?.status, reply.status, said)
  if (code === 'route.not_found') return
  const { 'x-ostiary-problems': codes = [] } = (operation.responses[reply.status] ?? {}) as {
    'x-ostiary-problems'?: string[]
  }
  assert.ok(codes.includes(code), `${said}: the document does not name ${code}`)
}

async function assertUnchanged<T>(why: string, work: () => Promise<T>): Promise<T> {
  const was = hashDatabase(database())
  const done = await work()
  assert.equal(hashDatabase(database()), was, `${why} changed the database`)
  return done
}

const compiled = new Map<Schema, { Check(value: unknown): boolean }>()

function fits(schema: Schema, value: unknown): boolean {
  const known = compiled.get(schema)
  const check = known ?? Compile(schema as never)
  if (known === undefined) compiled.set(schema, check)
  return check.Check(value)
}

async function assertFault(operation: Described, fault: Fault): Promise<void> {
  const good = goodRequest(operation)
  const names = fixtures.get(operation.tag)?.a as Record<string, string> | undefined
  const path = fault.path === undefined ? good.path : fill(operation.path, { ...names, ...fault.path })
  const { body = good.body, query, headers } = fault
  const sent = { ...good, path, body, ...(query !== undefined && { query }), ...(headers && { headers }) }
  await assertUnchanged(`${operation.id}, ${fault.what}`, async () => {
    assertRefused(operation, await send(gateway.adminUrl, operation.method, sent), fault.status, fault.what)
  })
}

describe('every operation of the admin API', () => {
  test('is described by what is served to any operator, as it is checked in', async () => {
    const token = await makeToken(root, { scopes: ['audit:read'] })
    const served = await send(gateway.adminUrl, 'GET', { token, path: '/api/openapi.json' })
    assert.match(String(served.headers['content-type']), /^application\/json/)
    assert.deepEqual(JSON.parse(served.text), JSON.parse(readFileSync('docs/reference/openapi.json', 'utf8')))
  })

  test('is found in the document, with what it works on', () => {
    assert.ok(operations.length >= 9)
    for (const { path, tag } of operations) {
      if (path.includes('{')) assert.ok(fixtures.has(tag), `nothing to call ${path} with: no operation makes ${tag}`)
    }
  })

  test('answers wrong input with its problem and changes nothing', async () => {
    const all = operations.flatMap(operation => listFaults(operation, fits).map(fault => ({ operation, fault })))
    assert.ok(all.length > 100, `${all.length}`)
    for (const { operation, fault } of all) await assertFault(operation, fault)
  })

  test('answers generated input that does not fit with its problem and changes nothing', async () => {
    const members = operations.flatMap(operation =>
      Object.entries(operation.body?.properties ?? {}).map(([name, schema]) => ({ operation, name, schema })),
    )
    await fc.assert(
      fc.asyncProperty(fc.constantFrom(...members), fc.jsonValue({ maxDepth: 3 }), async (member, value) => {
        fc.pre(!fits(member.schema, value))
        const { operation, name } = member
        const body = JSON.stringify({ ...operation.bodyExample, [name]: value })
        await assertFault(operation, { what: `${name}: ${body}`, status: [400], body })
      }),
      { numRuns: 300 },
    )
  })

  test('refuses a token that is missing, made up, expired, revoked or lacks the scope, and changes nothing', async () => {
    const expired = await makeToken(root, { scopes: adminScopes })
    const revoked = await makeToken(root, { scopes: adminScopes })
    using writer = new DatabaseSync(database(), { timeout: 5000 })
    const list = await send(gateway.adminUrl, 'GET', { token: root, path: '/api/tokens' })
    const [{ id: revokedId }, { id: expiredId }] = JSON.parse(list.text).tokens
    writer.prepare('update operator_tokens set expires_at = created_at + 1 where id = ?').run(expiredId)
    assert.equal(
      (await send(gateway.adminUrl, 'POST', { token: root, path: `/api/tokens/${revokedId}/revoke` })).status,
      200,
    )
    const lacking = new Map<string, string>()
    for (const scope of new Set(operations.map(operation => operation.scope))) {
      if (scope !== 'any')
        lacking.set(scope, await makeToken(root, { scopes: adminScopes.filter(each => each !== scope) }))
    }
    for (const operation of operations) {
      const roles: readonly (readonly [string, string | null | undefined, readonly number[]])[] = [
        ['no token', null, [401]],
        ['a made-up token', `so_${'7'.repeat(49)}`, [401, 429]],
        ['an expired token', expired, [401]],
        ['a revoked token', revoked, [401]],
        ['a token without the scope', lacking.get(operation.scope), [403]],
      ]
      for (const [role, token, statuses] of roles) {
        if (token === undefined) continue
        const sent = goodRequest(operation, 'a', token)
        await assertUnchanged(`${operation.id} with ${role}`, async () => {
          assertRefused(operation, await send(gateway.adminUrl, operation.method, sent), statuses, role)
        })
      }
    }
  })

  test('answers of another project’s things as of things that do not exist, and never tells of them', async () => {
    const stranger = await makeToken(root, { scopes: adminScopes, projects: [projects.b] })
    const secret = new Set([projects.a])
    for (const { a } of fixtures.values()) if (isOfProject(a, projects.a) && typeof a.id === 'string') secret.add(a.id)
    let asked = 0
    for (const operation of operations) {
      const { a } = fixtures.get(operation.tag) ?? {}
      const names = parametersOf(operation)
      const good = goodRequest(operation, 'b', stranger)
      if (names.length === 0) {
        if (operation.method !== 'GET') continue
        const reply = await send(gateway.adminUrl, 'GET', good)
        for (const id of secret) assert.ok(!reply.text.includes(id), `${operation.id} tells of ${id}`)
        continue
      }
      if (a === undefined || !isOfProject(a, projects.a)) continue
      asked++
      const id = String(a[names[0] as string])
      const [of, ofNothing] = await assertUnchanged(`${operation.id} on another project’s`, () =>
        Promise.all(
          [id, idOfNothing(id)].map(each =>
            send(gateway.adminUrl, operation.method, {
              ...good,
              path: fill(operation.path, { [names[0] as string]: each }),
            }),
          ),
        ),
      )
      assertRefused(operation, of as Reply, [404], 'another project’s')
      assert.deepEqual(anonymous(of as Reply, id), anonymous(ofNothing as Reply, idOfNothing(id)), operation.id)
    }
    assert.ok(asked >= 2)
  })

  test('lets nobody make a thing in another project', async () => {
    const stranger = await makeToken(root, { scopes: adminScopes, projects: [projects.b] })
    let asked = 0
    for (const operation of operations) {
      const { properties = {} } = operation.body ?? {}
      if (parametersOf(operation).length > 0 || !('project' in properties || 'projects' in properties)) continue
      asked++
      const sent = goodRequest(operation, 'a', stranger)
      await assertUnchanged(`${operation.id} in another project`, async () => {
        assertRefused(
          operation,
          await send(gateway.adminUrl, operation.method, sent),
          [400, 403, 404],
          'another project',
        )
      })
    }
    assert.ok(asked > 0)
  })

  test('does a request that is repeated with its idempotency key once, and refuses another one with it', async () => {
    const other = await makeToken(root, { scopes: adminScopes })
    let repeated = 0
    for (const operation of operations) {
      if (!operation.operation.parameters.some(({ name }) => name === 'Idempotency-Key')) continue
      const headers = { 'idempotency-key': randomUUID() }
      const good = { ...goodRequest(operation), headers }
      const first = await send(gateway.adminUrl, operation.method, good)
      if (first.status >= 300) continue
      repeated++
      await assertUnchanged(`${operation.id}, repeated`, async () => {
        const again = await send(gateway.adminUrl, operation.method, good)
        assert.deepEqual([again.status, again.text], [first.status, first.text], operation.id)
        assert.deepEqual(
          [again.headers['idempotency-replayed'], again.headers['content-type']],
          ['true', first.headers['content-type']],
        )
        const { path, body } = goodRequest(operation, 'b')
        const different = { ...good, path, body: body ?? '{ }' }
        // Of some bodies there is but one.
        if (different.path === good.path && (different.body === '{ }' || different.body === good.body)) return
        assertRefused(operation, await send(gateway.adminUrl, operation.method, different), [422], 'another request')
      })
      const theirs = await send(gateway.adminUrl, operation.method, { ...good, token: other })
      assert.equal(
        theirs.headers['idempotency-replayed'],
        undefined,
        `${operation.id} answers one operator for another`,
      )
    }
    assert.ok(repeated >= 4)
  })
})

/** Things that belong to the gateway as a whole name no project. */
function isOfProject(fixture: Fixture, project: string): boolean {
  const { id, project: one, projects: several } = fixture
  return id === project || one === project || (Array.isArray(several) && several.includes(project))
}

/** An answer without what differs between any two. */
function anonymous({ status, text, headers }: Reply, id: string): unknown {
  const { request_id: _, ...problem } = JSON.parse(text.replaceAll(id, 'the id'))
  return [status, problem, Object.keys(headers).sort()]
}
