import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { load, refuse } from './load-for-test.ts'

const issuer = (name: string, introspection: string) =>
  `  ${name}: { issuer: 'https://${name}.example.com', audience: [x], introspection: { url: 'https://${name}.example.com/i', clientId: c, clientSecret: env:S, ${introspection} } }`
const env = { S: 'secret' }
const yaml = (...issuers: string[]) => `issuers:\n${issuers.join('\n')}\n`
/** What is said, without the place. */
const said = (text: string) => refuse(text, env).map(line => line.replace(/^[^ ]+ /, ''))

describe('introspection in the configuration', () => {
  it('is off unless it is there, and has defaults for all but who is asked as whom', () => {
    const { config } = load(yaml(`  a: { issuer: 'https://a.example.com', audience: [x] }`, issuer('b', '')), env)
    assert.equal(config.issuers.a?.introspection, undefined)
    assert.deepEqual(config.issuers.b?.introspection, {
      url: 'https://b.example.com/i',
      clientId: 'c',
      clientSecret: 'env:S',
      authentication: 'client_secret_basic',
      cacheSeconds: 60,
      negativeCacheSeconds: 5,
      timeoutMs: 2000,
      signed: false,
      opaque: true,
      always: false,
    })
  })

  it('names what is missing of it', () => {
    const lines = said(`issuers: { a: { issuer: 'https://a.example.com', audience: [x], introspection: {} } }`)
    assert.deepEqual(
      lines.map(line => line.split(':', 1)[0]),
      ['url', 'clientId', 'clientSecret'].map(name => `issuers.a.introspection.${name}`),
    )
  })

  it('knows whose each opaque token is', () => {
    assert.deepEqual(said(yaml(issuer('a', ''), issuer('b', ''))), [
      'issuers.b.introspection: needs a `tokenPrefix`: opaque tokens without one are those of issuers.a',
    ])
    assert.deepEqual(said(yaml(issuer('a', 'tokenPrefix: at_'), issuer('b', 'tokenPrefix: at_'))), [
      'issuers.b.introspection.tokenPrefix: must differ from that of issuers.a',
    ])
    load(yaml(issuer('a', ''), issuer('b', 'tokenPrefix: at_'), issuer('c', 'always: true, opaque: false')), env)
  })

  it('is refused where it would never be used', () => {
    assert.deepEqual(said(yaml(issuer('a', 'opaque: false'))), [
      'issuers.a.introspection: is never used: neither `opaque` nor `always` is set',
    ])
    assert.deepEqual(said(yaml(issuer('a', 'opaque: false, always: true, tokenPrefix: at_'))), [
      'issuers.a.introspection.tokenPrefix: must not be set where `opaque` is false',
    ])
  })

  it('leaves API keys to themselves, secrets out, and the network encrypted', () => {
    assert.match(said(yaml(issuer('a', 'tokenPrefix: sk_live_')))[0] ?? '', /is the beginning of an API key/)
    assert.match(said(yaml(issuer('a', 'tokenPrefix: a b')))[0] ?? '', /must be 1 to 64 characters of a token/)
    const plain = yaml(issuer('a', '')).replace('https://a.example.com/i', 'http://a.example.com/i')
    assert.match(said(plain)[0] ?? '', /must begin with https/)
    const written = yaml(issuer('a', '')).replace('env:S', 'hunter2')
    const lines = said(written)
    assert.match(lines[0] ?? '', /must be a reference to a secret/)
    assert.ok(!lines.join().includes('hunter2'))
  })
})
