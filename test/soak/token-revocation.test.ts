import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { type GatewayOptions, startGateway } from '../support/gateway.ts'
import { postgresAvailable, startPostgres } from '../support/postgres.ts'
import { measureEndings, tokenEndings } from '../support/revocations.ts'
import { startTokenIssuer } from '../support/token-issuer.ts'

const COUNT = 1000

async function measure({ yaml = '', ...options }: GatewayOptions): Promise<string> {
  await using issuer = await startTokenIssuer()
  const issuers = `issuers:\n  company:${issuer.yaml()}`
  await using gateway = await startGateway({ workers: 4, yaml: `${yaml}${issuers}`, ...options })
  // As many keys as a thousand ends would need no issuer publishes.
  const { key: _, thumbprint: __, ...ways } = tokenEndings(issuer)
  const { worstMs, stale } = await measureEndings(gateway, COUNT, Object.values(ways))
  return `slowest from request to refusal everywhere: ${worstMs.toFixed(1)} ms; ${stale} calls accepted after the answer`
}

test(`${COUNT} tokens revoked by id, subject, client and session each end on every worker within the bound, on SQLite`, async t => {
  t.diagnostic(await measure({}))
})

test(`${COUNT} tokens revoked by id, subject, client and session each end on every worker within the bound, on PostgreSQL`, async t => {
  if (!postgresAvailable()) {
    assert.notEqual(process.env.CI, 'true', 'CI must have PostgreSQL')
    return t.skip('needs PostgreSQL')
  }
  const server = await startPostgres()
  after(() => server[Symbol.asyncDispose]())
  const yaml = 'store: { kind: postgres, url: env:DATABASE }\n'
  t.diagnostic(await measure({ yaml, env: { DATABASE: await server.createDatabase() } }))
})
