import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createTargetMatch } from './dpop-target.ts'

const matches = createTargetMatch(new Set(['https://ai.example.com', 'http://127.0.0.1:8400']))

const CHAT = '/v1/chat/completions'
const good: readonly (readonly [htu: string, url: string])[] = [
  [`https://ai.example.com${CHAT}`, CHAT],
  [`HTTPS://AI.Example.COM${CHAT}`, CHAT],
  [`https://ai.example.com:443${CHAT}`, CHAT],
  [`http://127.0.0.1:8400${CHAT}`, CHAT],
  [`https://ai.example.com${CHAT}?a=1`, CHAT],
  [`https://ai.example.com${CHAT}#part`, CHAT],
  [`https://ai.example.com${CHAT}`, `${CHAT}?api-version=1`],
  [`https://ai.example.com/v1/./chat/x/../completions`, CHAT],
  ['https://ai.example.com/v1/%63hat/completions', CHAT],
  [`https://ai.example.com${CHAT}`, '/v1/%63hat/completions'],
  ['https://ai.example.com/v1beta/models/gemini:generateContent', '/v1beta/models/gemini%3AgenerateContent'],
  ['https://ai.example.com', '/'],
]
for (const [htu, url] of good) test(`${htu} is ${url}`, () => assert.ok(matches(htu, url, null)))

const bad: readonly (readonly [htu: string, url: string])[] = [
  [`http://ai.example.com${CHAT}`, CHAT],
  [`https://ai.example.com:8443${CHAT}`, CHAT],
  [`https://ai.example.com.evil.example${CHAT}`, CHAT],
  [`https://ai.example.com@evil.example${CHAT}`, CHAT],
  [`https://user@ai.example.com${CHAT}`, CHAT],
  [`https://evil.example\\@ai.example.com${CHAT}`, CHAT],
  [`https://ai.example.com${CHAT}/`, CHAT],
  [`https://ai.example.com${CHAT}`, `${CHAT}/`],
  [`https://ai.example.com/v1/Chat/completions`, CHAT],
  ['https://ai.example.com/v1%2Fchat/completions', CHAT],
  ['https://ai.example.com/v1/chat/completions%00', CHAT],
  ['https://ai.example.com/v1/%2563hat/completions', CHAT],
  ['https://ai.example.com/v1\\chat\\completions', CHAT],
  [` https://ai.example.com${CHAT}`, CHAT],
  [`https://ai.example.com/v1/chat\t/completions`, CHAT],
  [`//ai.example.com${CHAT}`, CHAT],
  [CHAT, CHAT],
  ['', CHAT],
  [`https://ai.example.com${CHAT}`, `https://ai.example.com${CHAT}`],
  [`https://ai.example.com/v1/../x`, '/v1/../x'],
  [`https://ai.example.com${CHAT}?${'a'.repeat(2048)}`, CHAT],
  [`https://[${CHAT}`, CHAT],
]
for (const [htu, url] of bad)
  test(`${htu.slice(0, 80)} is not ${url}`, () => assert.equal(matches(htu, url, null), false))

test('what another proxy asks about is named by its origin, and by no other', () => {
  const app = 'https://app.example.com'
  assert.ok(matches(`${app}/catalog/`, '/catalog/', app))
  assert.ok(matches(`${app}/catalog/caf%C3%A9`, '/catalog/caf%c3%a9', app))
  assert.equal(matches(`${app}/catalog`, '/catalog/', app), false)
  assert.equal(matches('https://ai.example.com/catalog', '/catalog', app), false)
  assert.equal(matches(`${app}/catalog`, '/catalog', null), false)
})
