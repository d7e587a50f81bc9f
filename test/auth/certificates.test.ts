import assert from 'node:assert/strict'
import { hash, X509Certificate } from 'node:crypto'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer as createHttpServer, type IncomingMessage, request as requestHttp } from 'node:http'
import { createServer, request } from 'node:https'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { certificateThumbprint } from '#auth/certificate-thumbprint.ts'
import { createCheckSender } from '#auth/check-sender.ts'
import type { VerifiedIdentity } from '#core/principal.ts'
import { makeCertificate } from '../support/certificate.ts'

const folder = mkdtempSync(join(tmpdir(), 'ostiary-tls-'))
test.after(() => rmSync(folder, { recursive: true }))
const client = makeCertificate(folder, 'client.example')
const other = makeCertificate(folder, 'client.example')
const thumbprint = hash('sha256', new X509Certificate(client.cert).raw, 'base64url')

/** Answers with the reason for which a credential bound to the client's certificate is refused, or `taken`. */
const handle = async (req: IncomingMessage, res: { end(text: string): unknown }) => {
  const checkSender = createCheckSender({ certificateThumbprint, verifyProof: () => assert.fail('was asked') })
  const identity = { id: 'key_1', binding: { kind: 'certificate', thumbprint } } as VerifiedIdentity
  const refusal = await checkSender(identity, { text: 'k1', dpop: false }, req, {
    source: '',
    dpopNonce: null,
    origin: null,
  })
  res.end(refusal?.reason ?? 'taken')
}

async function textOf(req: { end(): unknown }): Promise<string> {
  req.end()
  const [res] = (await once(req as never, 'response')) as [IncomingMessage]
  return Buffer.concat(await res.toArray()).toString()
}

async function listen(t: TestContext, server: ReturnType<typeof createHttpServer>): Promise<number> {
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => server.close())
  return (server.address() as AddressInfo).port
}

test('a credential bound to a certificate is taken on a TLS connection of that certificate alone', async t => {
  const tls = { ...makeCertificate(folder, 'localhost'), requestCert: true, rejectUnauthorized: false }
  const port = await listen(t, createServer(tls, handle))
  const ask = (as: object) =>
    textOf(request({ port, host: '127.0.0.1', rejectUnauthorized: false, agent: false, ...as }))
  assert.equal(await ask(client), 'taken')
  assert.equal(await ask(other), 'proof_other_certificate')
  assert.equal(await ask({}), 'proof_no_certificate')
})

test('a header of a plaintext connection is no certificate', async t => {
  const port = await listen(t, createHttpServer(handle))
  const headers = { 'x-forwarded-client-cert': client.cert.replaceAll('\n', ''), 'client-cert': thumbprint }
  assert.equal(await textOf(requestHttp({ port, host: '127.0.0.1', agent: false, headers })), 'proof_no_certificate')
})
