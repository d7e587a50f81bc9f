import assert from 'node:assert/strict'
import { test } from 'node:test'
import { KeysNotHad } from '#issuers/review/finding.ts'
import { discover, metadataUrls } from './discovery.ts'
import type { FetchDocument } from './fetch-document.ts'

const ISSUER = 'https://id.example.com/realm'
const OIDC = `${ISSUER}/.well-known/openid-configuration`
const OAUTH = 'https://id.example.com/.well-known/oauth-authorization-server/realm'
const OIDC_INSERTED = 'https://id.example.com/.well-known/openid-configuration/realm'

/** Answers what it is given by URL, and 404 elsewhere. */
function serve(documents: Readonly<Record<string, object | KeysNotHad>>, asked: string[] = []): FetchDocument {
  return async url => {
    asked.push(url)
    const document = documents[url] ?? new KeysNotHad('status_404', url)
    if (document instanceof KeysNotHad) throw document
    return { value: document as Record<string, unknown>, maxAgeMs: null, date: null }
  }
}

const metadata = (jwksUri: unknown = 'https://keys.example.com/set?p=1', issuer: unknown = ISSUER) => ({
  issuer,
  jwks_uri: jwksUri,
})
const find = (fetchDocument: FetchDocument, issuer = ISSUER, allowPrivateNetwork = false) =>
  discover({ issuer, allowPrivateNetwork }, fetchDocument)

const urls: readonly (readonly [issuer: string, urls: readonly string[]])[] = [
  [ISSUER, [OIDC, OAUTH, OIDC_INSERTED]],
  [`${ISSUER}/`, [OIDC, OAUTH, OIDC_INSERTED]],
  [
    'https://id.example.com',
    [
      'https://id.example.com/.well-known/openid-configuration',
      'https://id.example.com/.well-known/oauth-authorization-server',
    ],
  ],
]
for (const [issuer, expected] of urls) {
  test(`${issuer} is looked for where OpenID Connect Discovery and RFC 8414 §3.1 say`, () => {
    assert.deepEqual(metadataUrls(issuer), expected)
  })
}

for (const url of [OIDC, OAUTH, OIDC_INSERTED]) {
  test(`is found at ${url}`, async () => {
    const found = await find(serve({ [url]: metadata() }))
    assert.deepEqual([found.url, found.jwksUri], [url, 'https://keys.example.com/set?p=1'])
  })
}

for (const [what, said] of [
  ['another issuer', 'https://id.example.com/other'],
  ['a slash more', `${ISSUER}/`],
  ['another case', 'https://ID.example.com/realm'],
  ['a list with it', [ISSUER]],
  ['nothing', undefined],
] as const) {
  test(`metadata that name ${what} are refused`, async () => {
    const document = { ...metadata(), issuer: said }
    await assert.rejects(find(serve({ [OIDC]: document })), { name: 'KeysNotHad', code: 'issuer_differs' })
  })
}

test('metadata of another issuer at one place do not hide the right ones at the next', async () => {
  const documents = { [OIDC]: metadata(undefined, 'https://evil.example'), [OAUTH]: metadata() }
  assert.equal((await find(serve(documents))).url, OAUTH)
})

test('a server that does not answer is asked once', async () => {
  for (const code of ['unreachable', 'timeout', 'private_address', 'status_500', 'too_large']) {
    const asked: string[] = []
    const failing = serve({ [OIDC]: new KeysNotHad(code, '') }, asked)
    await assert.rejects(find(failing), { code })
    assert.deepEqual(asked, [OIDC], code)
  }
})

test('says that there are no metadata, and of another failure which', async () => {
  await assert.rejects(find(serve({})), { code: 'no_metadata' })
  await assert.rejects(find(serve({ [OAUTH]: new KeysNotHad('not_json', '') })), { code: 'not_json' })
})

const LOOPBACK = 'http://127.0.0.1:8080/realm'
const refused: readonly (readonly [uri: unknown, issuer?: string, allowPrivateNetwork?: boolean])[] = [
  [undefined],
  [7],
  ['keys'],
  ['/keys'],
  ['http://keys.example.com/set'],
  ['http://127.0.0.1/set'],
  ['http://localhost/set', ISSUER, true],
  ['https://127.0.0.1/set'],
  ['https://localhost/set'],
  ['https://10.0.0.1/set'],
  ['https://10.0.0.1/set', 'https://10.0.0.2/realm'],
  ['http://10.0.0.1/set', 'https://10.0.0.1/realm'],
  ['https://2130706433/set'],
  ['https://0x7f.1/set'],
  ['https://[::1]/set'],
  ['https://[::ffff:10.0.0.1]/set'],
  ['https://[fd00::1]/set'],
  ['https://169.254.169.254/latest/meta-data', LOOPBACK],
  ['http://169.254.169.254/latest/meta-data', LOOPBACK, true],
  ['https://a:b@keys.example.com/set'],
  ['https://keys.example.com/set#x'],
  ['ftp://keys.example.com/set'],
  ['file:///etc/passwd'],
  ['javascript:1'],
  [`https://keys.example.com/${'x'.repeat(2048)}`],
]
for (const [uri, issuer = ISSUER, allowPrivateNetwork = false] of refused) {
  test(`${issuer}${allowPrivateNetwork ? ' in a private network' : ''} cannot have keys at ${String(uri).slice(0, 60)}`, async () => {
    const [url = ''] = metadataUrls(issuer)
    const documents = serve({ [url]: { issuer, jwks_uri: uri } })
    await assert.rejects(find(documents, issuer, allowPrivateNetwork), { code: 'jwks_uri_refused' })
  })
}

for (const [uri, issuer, allowPrivateNetwork] of [
  ['http://127.0.0.1:8080/keys', LOOPBACK, false],
  ['http://localhost:8081/keys', LOOPBACK, false],
  ['https://10.0.0.1/keys', ISSUER, true],
  ['https://10.0.0.1:8443/keys', 'https://10.0.0.1/realm', false],
  ['https://[fd00::1]/keys', ISSUER, true],
] as const) {
  test(`${issuer} may have keys at ${uri}`, async () => {
    const [url = ''] = metadataUrls(issuer)
    const { jwksUri } = await find(serve({ [url]: { issuer, jwks_uri: uri } }), issuer, allowPrivateNetwork)
    assert.equal(jwksUri, uri)
  })
}
