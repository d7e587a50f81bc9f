import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ask, type Gateway, startGateway } from '../support/gateway.ts'
import { issuerYaml, makeSigningKey, signToken, startIssuer } from '../support/scripted-issuer.ts'

/** Over a connection of its own, so that every worker has its share. */
async function call(gateway: Pick<Gateway, 'url'>, token: string): Promise<number> {
  const { status } = await ask(`${gateway.url}/v1/models`, {
    method: 'GET',
    headers: { authorization: `Bearer ${token}` },
  })
  return status
}

async function callAll(gateway: Gateway, make: () => Promise<string>, times = 12): Promise<number[]> {
  const answers = await Promise.all(Array.from({ length: times }, async () => call(gateway, await make())))
  return [...new Set(answers)]
}

test('keys are discovered once for all workers, and a new one is fetched when its first token comes', async () => {
  await using issuer = await startIssuer()
  const [first, second] = [makeSigningKey('one'), makeSigningKey('two')]
  issuer.keys = [first.jwk]
  await using gateway = await startGateway({ yaml: issuerYaml(issuer), workers: 2 })
  assert.deepEqual(await callAll(gateway, () => signToken(issuer.issuer, first)), [200])
  assert.equal(issuer.fetches(), 1)
  issuer.keys = [first.jwk, second.jwk]
  assert.deepEqual(await callAll(gateway, () => signToken(issuer.issuer, second)), [200])
  assert.deepEqual(await callAll(gateway, () => signToken(issuer.issuer, first)), [200])
  assert.equal(issuer.fetches(), 2)
})
