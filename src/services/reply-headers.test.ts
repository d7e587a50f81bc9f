import assert from 'node:assert/strict'
import { test } from 'node:test'
import { serviceReplyHeaders } from './reply-headers.ts'

const ours = ['x-request-id', 'req_1', 'ratelimit', '"a";r=1']
const pass = (reply: Record<string, string | string[]>) =>
  serviceReplyHeaders(reply, ours, reference => `public:${reference}`)

for (const name of [
  'connection',
  'keep-alive',
  'proxy-authenticate',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
  'x-ostiary-subject',
  'x_ostiary_subject',
  'x.ostiary.subject',
  'x-ostiary-overhead-ms',
  'x-request-id',
  'ratelimit',
  'RateLimit',
  'strict-transport-security',
  'Strict-Transport-Security',
  'clear-site-data',
  'service-worker-allowed',
  'alt-svc',
  'public-key-pins',
  'public-key-pins-report-only',
  'expect-ct',
  'set-cookie2',
  'nel',
  'NEL',
  'report-to',
  'Report-To',
  'use-as-dictionary',
  'set-login',
  'accept-ch',
  'Accept-CH',
  'sec-session-registration',
  'secure-session-registration',
  'dpop-nonce',
]) {
  test(`a service’s ${name} goes no further`, () => assert.deepEqual(pass({ [name]: 'evil' }), ours))
}

test('everything else is passed on, in order and as often as it was sent', () => {
  const reply = {
    'content-type': 'a',
    'content-encoding': 'br',
    link: ['<a>', '<b>'],
    etag: '"1"',
    'ratelimit-policy': 'p',
    'reporting-endpoints': 'e="https://reports.example"',
  }
  assert.deepEqual(pass(reply), [
    ...[
      'content-type',
      'a',
      'content-encoding',
      'br',
      'link',
      '<a>',
      'link',
      '<b>',
      'etag',
      '"1"',
      'ratelimit-policy',
      'p',
      'reporting-endpoints',
      'e="https://reports.example"',
    ],
    ...ours,
  ])
})

test('cookies of the gateway’s names are none of a service’s to set', () => {
  const cookies = [
    'a=1',
    '__Host-ostiary-session=x; Path=/',
    'ostiary=x',
    ' Ostiary_x=1',
    '__SECURE-OSTIARY=1',
    'b=ostiary',
    '=ostiary-session=evil',
    ' = =\t__Host-ostiary-session=evil',
    '=c',
  ]
  assert.deepEqual(pass({ 'set-cookie': cookies }), [
    'set-cookie',
    'a=1',
    'set-cookie',
    'b=ostiary',
    'set-cookie',
    '=c',
    ...ours,
  ])
  assert.deepEqual(pass({ 'set-cookie': 'ostiary=x' }), ours)
})

test('what Connection names is of the hop, but nothing of ours', () => {
  assert.deepEqual(pass({ connection: 'x-request-id, X-A, ratelimit', 'x-a': '1', x_a: '2', kept: '3' }), [
    'kept',
    '3',
    ...ours,
  ])
  assert.deepEqual(pass({ connection: ['close', 'x-a'], 'x-a': '1' }), ours)
})

test('references lead to the public place', () => {
  assert.deepEqual(pass({ location: '/a', 'content-location': '/b' }), [
    ...['location', 'public:/a', 'content-location', 'public:/b'],
    ...ours,
  ])
})
