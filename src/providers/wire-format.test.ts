import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { formats } from './formats.ts'
import { type FormatName, requestHeaders } from './wire-format.ts'

const OWN = ['content-type', 'accept', 'accept-encoding', 'user-agent']
const names = Object.keys(formats) as FormatName[]

const passed: Readonly<Record<FormatName, readonly string[]>> = {
  openai: ['openai-beta', 'openai-version', 'openai-safety-identifier'],
  anthropic: ['anthropic-version', 'anthropic-beta'],
  gemini: ['x-goog-api-client'],
}

for (const name of names) {
  test(`passes on the headers of ${name} and no other format’s`, () => {
    const caller = Object.fromEntries(
      Object.values(passed)
        .flat()
        .map(header => [header, 'v']),
    )
    const headers = requestHeaders(formats[name], caller, null)
    assert.deepEqual(
      Object.keys(headers)
        .filter(header => !OWN.includes(header))
        .sort(),
      [...passed[name]].sort(),
    )
  })
}

const never = [
  ['authorization', 'x-api-key', 'api-key', 'x-goog-api-key', 'x-ostiary-key', 'proxy-authorization', 'cookie'],
  ['x-forwarded-for', 'x-forwarded-host', 'x-forwarded-proto', 'forwarded', 'x-real-ip', 'via', 'host', 'connection'],
  ['transfer-encoding', 'content-length', 'te', 'trailer', 'upgrade', 'keep-alive', 'expect', 'content-encoding'],
  [
    'openai-organization',
    'openai-project',
    'idempotency-key',
    'x-ostiary-subject',
    'x-ostiary-sandbox',
    'x-request-id',
  ],
  [
    'x-goog-user-project',
    'anthropic-organization-id',
    'anthropic-dangerous-direct-browser-access',
    'referer',
    'origin',
  ],
  ['x_api_key', 'openai_organization', 'OpenAI-Organization', 'authorization ', '__proto__', 'constructor'],
].flat()

for (const name of names) {
  test(`whatever a caller sends, ${name} gets only its own headers, ours and the operator’s credential`, () => {
    const header = fc.oneof(
      fc.constantFrom(...never, ...passed[name]),
      fc.string({ unit: fc.constantFrom(...'abcdefghijklmnopqrstuvwxyz-_0123456789'), minLength: 1 }),
      fc.string({ minLength: 1, maxLength: 10 }).map(tail => `x-forwarded-${tail}`),
    )
    fc.assert(
      fc.property(fc.uniqueArray(header, { maxLength: 30 }), sent => {
        const caller = Object.fromEntries(
          sent.filter(name => !OWN.includes(name)).map(header => [header, 'of the caller']),
        )
        const headers = requestHeaders(formats[name], caller, 'of the operator')
        const credential = Object.keys(formats[name].credentialHeaders('x'))
        for (const [header, value] of Object.entries(headers)) {
          if (credential.includes(header)) assert.match(value, /of the operator$/)
          else if (value === 'of the caller') {
            assert.ok(!never.includes(header), `${header} was passed on`)
            assert.ok(passed[name].includes(header) || (name === 'openai' && header.startsWith('openai-')), header)
          } else assert.ok(OWN.includes(header), header)
        }
      }),
      { numRuns: 1000 },
    )
  })
}

test('says what the gateway sends and wants, whatever the caller said, but for what it accepts', () => {
  const caller = { accept: 'text/event-stream', 'accept-encoding': 'gzip', 'content-type': 'x/y', 'user-agent': 'curl' }
  assert.deepEqual(requestHeaders(formats.openai, caller, null), {
    'content-type': 'application/json',
    accept: 'text/event-stream',
    'accept-encoding': 'identity',
    'user-agent': 'ostiary',
  })
  assert.equal(requestHeaders(formats.openai, {}, null).accept, '*/*')
})

test('gives the operator’s credential as the provider wants it', () => {
  const given = (name: FormatName) => formats[name].credentialHeaders('c')
  assert.deepEqual(given('openai'), { authorization: 'Bearer c' })
  assert.deepEqual(given('anthropic'), { 'x-api-key': 'c' })
  assert.deepEqual(given('gemini'), { 'x-goog-api-key': 'c' })
})
