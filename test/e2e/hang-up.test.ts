import assert from 'node:assert/strict'
import { once } from 'node:events'
import { request } from 'node:http'
import { test } from 'node:test'
import { startGateway } from '../support/gateway.ts'
import { configFor, startProvider, writeEvent } from '../support/provider.ts'

test('a gateway that stops does not wait for providers that are read on for callers that have hung up', async () => {
  await using provider = await startProvider((_request, res) => {
    res.writeHead(200, { 'content-type': 'text/event-stream' })
    writeEvent(res, { choices: [{ delta: { content: 'x' } }] })
  })
  const { yaml, env } = configFor(provider)
  const gateway = await startGateway({ yaml: `${yaml}requests: { onHangUp: drain, drainMs: 600000 }\n`, env })
  const key = await gateway.liveKey()
  const req = request(`${gateway.url}/v1/chat/completions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', authorization: `Bearer ${key}` },
  })
  req.on('error', () => {})
  req.end('{"model":"gpt","messages":[],"stream":true}')
  const [res] = await once(req, 'response')
  res.on('error', () => {})
  await once(res, 'data')
  req.destroy()
  const { closed } = provider.one()
  // The caller is gone and the provider is still read.
  assert.equal(await Promise.race([closed, new Promise(resolve => setTimeout(resolve, 200, 'read on'))]), 'read on')
  const at = performance.now()
  await gateway[Symbol.asyncDispose]()
  await closed
  assert.ok(performance.now() - at < 2000)
})
