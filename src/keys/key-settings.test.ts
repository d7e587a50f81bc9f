import assert from 'node:assert/strict'
import { test } from 'node:test'
import { modelActions } from '#core/action.ts'
import { checkSettings, type KeySettings, NO_SETTINGS } from './key-settings.ts'

const vocabulary = {
  roles: ['developer', 'buyer'],
  actions: [...modelActions, { id: 'catalog.read', scopes: ['catalog:read'], group: 'services.read' } as const],
  tagsRead: new Set<string>(),
}

const good: readonly Partial<KeySettings>[] = [
  {},
  { scopes: ['chat:create', 'models:read'] },
  { operations: ['openai.chat'] },
  { scopes: ['chat:create'], operations: ['openai.chat'] },
  { scopes: ['catalog:read'], operations: ['catalog.read'] },
  { roles: ['developer', 'buyer'] },
  { cidrs: ['10.0.0.0/8'], deniedCidrs: ['10.1.0.0/16', '::/0'] },
  { models: ['gpt-*', '*', 'a*b', 'org/model:tag@1', 'モデル'] },
  { cidrs: ['10.0.0.0/8', '::1'] },
  {
    limits: [
      { unit: 'requests', amount: 1, windowSeconds: 1 },
      { unit: 'requests', amount: 1, windowSeconds: 60 },
      { unit: 'concurrency', amount: 1 },
    ],
  },
  {
    budgets: [
      { unit: 'usd', amount: 0.000001, period: 'day' },
      { unit: 'usd', amount: 0.1 + 0.2 - 4e-17, period: 'month' },
      { unit: 'tokens', amount: 1, period: 'day' },
    ],
  },
  { binding: { kind: 'dpop', thumbprint: '0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I' } },
  { binding: { kind: 'certificate', thumbprint: 'A'.repeat(43) } },
  { metadata: { team: '🔑' } },
]
for (const settings of good) {
  test(`takes ${JSON.stringify(settings)}`, () => checkSettings({ ...NO_SETTINGS, ...settings }, vocabulary))
}

const bad: readonly (readonly [Partial<KeySettings>, RegExp])[] = [
  [{ binding: { kind: 'dpop', thumbprint: 'A'.repeat(42) } }, /^binding: "A+" is no SHA-256 thumbprint/],
  [{ binding: { kind: 'dpop', thumbprint: 'A'.repeat(44) } }, /no SHA-256 thumbprint/],
  [{ binding: { kind: 'certificate', thumbprint: `${'A'.repeat(42)}B` } }, /no SHA-256 thumbprint/],
  [{ binding: { kind: 'certificate', thumbprint: 'ab:'.repeat(14) } }, /no SHA-256 thumbprint/],
  [{ scopes: [] }, /^scopes: an empty list allows nothing/],
  [{ scopes: ['chat:write'] }, /^scopes: "chat:write" is no scope; there are chat:create, /],
  [{ scopes: ['chat:create', 'chat:create'] }, /twice/],
  [{ scopes: ['__proto__'] }, /no scope/],
  [{ operations: ['openai.nothing'] }, /^operations: "openai.nothing" is no operation/],
  [{ operations: ['toString'] }, /no operation/],
  [{ scopes: ['chat:create'], operations: ['openai.embeddings'] }, /needs the scope embeddings:create/],
  [{ scopes: ['chat:create'], operations: ['openai.chat', 'openai.embeddings'] }, /needs the scope embeddings:create/],
  [{ models: [] }, /empty list/],
  [{ models: [''] }, /^models: "" is no name/],
  [{ models: ['gpt 5'] }, /no name/],
  [{ models: ['gpt\n'] }, /no name/],
  [{ models: ['gpt-\u0000'] }, /no name/],
  [{ models: ['gpt\u200b'] }, /no name/],
  [{ models: ['\ud800'] }, /no name/],
  [{ models: ['x'.repeat(257)] }, /no name/],
  [{ models: ['gpt**'] }, /two stars/],
  [{ cidrs: ['10.0.0.1/8'] }, /^cidrs: "10.0.0.1\/8" has bits beyond/],
  [{ cidrs: ['::ffff:10.0.0.1'] }, /write it as IPv4/],
  [{ cidrs: [] }, /empty list/],
  [{ roles: [] }, /^roles: an empty list gives nothing/],
  [{ roles: ['boss'] }, /^roles: "boss" is no role; there are developer, buyer/],
  [{ roles: ['buyer', 'buyer'] }, /twice/],
  [{ scopes: ['chat:create'], operations: ['catalog.read'] }, /catalog.read needs the scope catalog:read/],
  [{ deniedCidrs: [] }, /^denied_cidrs: an empty list/],
  [{ deniedCidrs: ['10.0.0.1/8'] }, /^denied_cidrs: "10.0.0.1\/8" has bits beyond/],
  [{ deniedCidrs: ['0.0.0.0/0', '::/0'] }, /^cidrs: no address is left/],
  [
    { cidrs: ['10.1.0.0/16'], deniedCidrs: ['10.0.0.0/8'] },
    /^cidrs: "10.1.0.0\/16" can never apply: all of it is denied/,
  ],
  [{ cidrs: ['::1', '10.0.0.0/8'], deniedCidrs: ['10.0.0.0/9', '10.128.0.0/9'] }, /"10.0.0.0\/8" can never apply/],
  [{ limits: [] }, /^limits: an empty list/],
  [
    {
      limits: [
        { unit: 'requests', amount: 1, windowSeconds: 60 },
        { unit: 'requests', amount: 2, windowSeconds: 60 },
      ],
    },
    /^limits: requests in 60 s is bounded twice/,
  ],
  [{ limits: [{ unit: 'requests', amount: 1.5, windowSeconds: 60 }] }, /^requests: 1.5 is no amount; a whole number/],
  [{ limits: [{ unit: 'concurrency', amount: 0 }] }, /no amount/],
  [{ limits: [{ unit: 'tokens', amount: Number.NaN, windowSeconds: 60 }] }, /no amount/],
  [
    {
      budgets: [
        { unit: 'usd', amount: 1, period: 'day' },
        { unit: 'usd', amount: 2, period: 'day' },
      ],
    },
    /^budgets: usd a day is bounded twice/,
  ],
  [{ budgets: [{ unit: 'usd', amount: 0.0000001, period: 'day' }] }, /at most six decimals/],
  [{ budgets: [{ unit: 'tokens', amount: 0.5, period: 'day' }] }, /a whole number/],
  [{ budgets: [{ unit: 'usd', amount: -1, period: 'day' }] }, /no amount/],
  [{ metadata: { team: 'a\ud800' } }, /^metadata: the value of team is not well-formed/],
]
for (const [settings, detail] of bad) {
  test(`refuses ${JSON.stringify(settings)}`, () => {
    assert.throws(() => checkSettings({ ...NO_SETTINGS, ...settings }, vocabulary), {
      code: 'admin.invalid_input',
      detail,
    })
  })
}
