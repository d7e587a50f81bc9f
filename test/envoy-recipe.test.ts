import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { parse } from 'yaml'
import { CREDENTIAL_HEADERS } from '#auth/credentials.ts'
import { methodOverrides, pathOverrides } from '#core/override-headers.ts'

// Envoy is not run here: of its recipe is held what decides whether the gateway sees what a caller forges.

interface Pattern {
  readonly exact?: string
  readonly prefix?: string
  readonly safe_regex?: { readonly regex: string }
}

const guide = readFileSync(new URL('../docs/guide/decision-api.md', import.meta.url), 'utf8')
const recipe = parse(/^```yaml envoy\n(.*?)^```$/ms.exec(guide)?.[1] ?? '')
const patterns: readonly Pattern[] = recipe.http_filters[0].typed_config.allowed_headers.patterns

/** As Envoy’s `StringMatcher` compares, whose expressions fit the whole. */
function isSent(name: string): boolean {
  return patterns.some(
    ({ exact, prefix, safe_regex }) =>
      name === exact ||
      (prefix !== undefined && name.startsWith(prefix)) ||
      (safe_regex !== undefined && new RegExp(`^(?:${safe_regex.regex})$`).test(name)),
  )
}

test('by the recipe Envoy shows the gateway every header that it checks, in every spelling that Envoy passes on', () => {
  const told = ['subject', 'subject-type', 'roles', 'scopes', 'project', 'environment', 'identity', 'made-up']
  const names = [...pathOverrides, ...methodOverrides, ...told.map(name => `x-ostiary-${name}`), 'x-forwarded-for']
  for (const name of names) {
    for (const spelling of [name, name.replaceAll('-', '.'), name.replace('-', '.'), name.replaceAll('-', '~')]) {
      assert.ok(isSent(spelling), spelling)
    }
  }
  // `Authorization` it always sends.
  for (const name of CREDENTIAL_HEADERS) assert.ok(name === 'authorization' || isSent(name), name)
  for (const name of ['dpop', 'upgrade', 'http2-settings', 'sec-websocket-key']) assert.ok(isSent(name), name)
  assert.equal(recipe.common_http_protocol_options.headers_with_underscores_action, 'REJECT_REQUEST')
  assert.equal(recipe.use_remote_address, true)
})

test('by the recipe Envoy sends no more of a request than that', () => {
  for (const name of ['cookie', 'content-type', 'transfer-encoding', 'connection', 'x-requested-with']) {
    assert.ok(!isSent(name), name)
  }
})
