import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { RateStanding, Standing } from '#limits/standing.ts'
import { limitHeaders } from './limit-headers.ts'
import type { ProblemFormat } from './routes.ts'

const NOW = Date.UTC(2026, 0, 1)

const rate = (name: string, unit: RateStanding['unit'], limit: number, remaining: number, resetSeconds: number) => ({
  name,
  unit,
  limit,
  windowSeconds: 60,
  policy: `"${name}";q=${limit};w=60`,
  remaining,
  resetSeconds,
})

function headersOf(format: ProblemFormat, rates: Standing['rates']): Record<string, string> {
  const flat = limitHeaders(format, { standing: () => ({ rates, budgets: [] }) }, NOW)
  return Object.fromEntries(flat.flatMap((name, at) => (at % 2 === 0 ? [[name, flat[at + 1] as string]] : [])))
}

const rates = [
  rate('burst', 'requests', 100, 50, 30),
  rate('daily', 'requests', 1000, 7, 3723),
  rate('pace', 'tokens', 40_000, 39_000, 2),
  rate('out', 'output_tokens', 10_000, 10_000, 0),
]

describe('headers of limits', () => {
  it('name every limit as the IETF draft says', () => {
    assert.deepEqual(headersOf('gemini', rates), {
      'ratelimit-policy': '"burst";q=100;w=60, "daily";q=1000;w=60, "pace";q=40000;w=60, "out";q=10000;w=60',
      ratelimit: '"burst";r=50;t=30, "daily";r=7;t=3723, "pace";r=39000;t=2, "out";r=10000;t=0',
    })
  })

  it('tell clients of OpenAI of the tightest limit of requests and of tokens', () => {
    const { 'ratelimit-policy': _, ratelimit: __, ...known } = headersOf('openai', rates)
    assert.deepEqual(known, {
      'x-ratelimit-limit-requests': '1000',
      'x-ratelimit-remaining-requests': '7',
      'x-ratelimit-reset-requests': '1h2m3s',
      'x-ratelimit-limit-tokens': '40000',
      'x-ratelimit-remaining-tokens': '39000',
      'x-ratelimit-reset-tokens': '2s',
    })
    assert.equal(headersOf('openai', [rate('a', 'requests', 1, 0, 60)])['x-ratelimit-reset-requests'], '1m0s')
  })

  it('tell clients of Anthropic of each unit, with the time of the reset', () => {
    const { 'ratelimit-policy': _, ratelimit: __, ...known } = headersOf('anthropic', rates)
    assert.deepEqual(known, {
      'anthropic-ratelimit-requests-limit': '1000',
      'anthropic-ratelimit-requests-remaining': '7',
      'anthropic-ratelimit-requests-reset': '2026-01-01T01:02:03Z',
      'anthropic-ratelimit-tokens-limit': '40000',
      'anthropic-ratelimit-tokens-remaining': '39000',
      'anthropic-ratelimit-tokens-reset': '2026-01-01T00:00:02Z',
      'anthropic-ratelimit-output-tokens-limit': '10000',
      'anthropic-ratelimit-output-tokens-remaining': '10000',
      'anthropic-ratelimit-output-tokens-reset': '2026-01-01T00:00:00Z',
    })
  })

  it('say nothing where there is no limit', () => {
    assert.deepEqual(limitHeaders('openai', null, NOW), [])
    assert.deepEqual(limitHeaders('openai', { standing: () => ({ rates: [], budgets: [] }) }, NOW), [])
  })
})
