import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { MeteredUsage } from '#core/usage.ts'
import { boundUsage } from '#providers/usage/bound.ts'
import { createUsageReader, type UsageReader } from '#providers/usage/reader.ts'
import {
  type RecordedExchange,
  type Recording,
  readRecording,
  recordedRoutes,
  recordedUsage,
  recordings,
  withoutRecordings as skip,
} from '../support/recorded-exchanges.ts'

/** Fixtures of several answers one after the other, which no provider sends to one request. */
function hasSeveralAnswers({ response }: RecordedExchange): boolean {
  return response.body.split(/^event: (?:message_stop|response\.completed)$/m).length > 2
}

function readerOf(recording: Recording, { request }: RecordedExchange): UsageReader {
  const body = request?.body ?? {}
  const inputBytes = Buffer.byteLength(JSON.stringify(body))
  const { format, operation } = recordedRoutes[recording.provider] as (typeof recordedRoutes)[string]
  const asked = { format, operation, inputBytes, body: () => body, maxOutputTokens: null }
  const { stream: events, status } = recording
  return createUsageReader({ ...asked, events, streams: events, encoded: false, status, contentLength: null })
}

const totals = ({ input, output, reasoning, cachedInput }: MeteredUsage) => ({ input, output, reasoning, cachedInput })

test('what a reply says of its use is read as it was recorded', { skip }, t => {
  let read = 0
  for (const recording of recordings()) {
    const exchange = readRecording(recording)
    const reader = readerOf(recording, exchange)
    reader.push(Buffer.from(exchange.response.body))
    const usage = reader.end(true)
    const expected = recordedUsage(recording.provider, exchange)
    if (expected === null) {
      // A refusal cost nothing, says the provider; an answer without a count is estimated.
      assert.equal(usage.source, recording.status >= 400 ? 'provider' : 'estimate', recording.file)
      assert.equal(usage.input > 0, recording.status < 400, recording.file)
      continue
    }
    read++
    assert.equal(usage.source, 'provider', recording.file)
    assert.deepEqual(totals(usage), expected, recording.file)
  }
  t.diagnostic(`${read} reports read`)
  assert.ok(read > 600)
})

test('cut at every tenth byte, the bill is right or marked as an estimate, and never below what was said so far', {
  skip,
}, t => {
  let cuts = 0
  let right = 0
  let several = 0
  for (const recording of recordings()) {
    const exchange = readRecording(recording)
    const expected = recordedUsage(recording.provider, exchange)
    if (expected === null) continue
    if (hasSeveralAnswers(exchange)) {
      several++
      continue
    }
    const bytes = Buffer.from(exchange.response.body)
    const reader = readerOf(recording, exchange)
    let least = 0
    for (let at = 0; at < bytes.length; at += 10) {
      const usage = reader.end(false)
      cuts++
      if (usage.source === 'provider') {
        right++
        assert.deepEqual(totals(usage), expected, `${recording.file} at ${at}`)
      } else {
        assert.ok(usage.output >= least, `${recording.file} at ${at}: the estimate shrinks`)
        least = usage.output
      }
      reader.push(bytes.subarray(at, at + 10))
    }
  }
  assert.ok(several < 10, `${several} fixtures of several answers`)
  t.diagnostic(`${cuts} cuts, ${right} of them after the provider's last word`)
})

/** Recordings in which the count of the output has no other ground than what was sent. */
function* visible() {
  for (const recording of recordings()) {
    const exchange = readRecording(recording)
    const expected = recordedUsage(recording.provider, exchange)
    if (exchange.rewrapped || expected === null || expected.output < 20 || expected.reasoning > 0) continue
    yield { recording, exchange, expected }
  }
}

test('an estimate of what was received is not below the bill for it in most replies, and far below in hardly any', {
  skip,
}, t => {
  const ratios: number[] = []
  for (const { recording, exchange, expected } of visible()) {
    const reader = readerOf(recording, exchange)
    // All of it but the counts.
    reader.push(Buffer.from(exchange.response.body.replaceAll('oken', '0ken')))
    const usage = reader.end(!recording.stream)
    assert.equal(usage.source, 'estimate')
    ratios.push(usage.output / expected.output)
  }
  ratios.sort((a, b) => a - b)
  const share = (least: number) => ratios.filter(ratio => ratio >= least).length / ratios.length
  const median = ratios[Math.floor(ratios.length / 2)] as number
  t.diagnostic(
    `${ratios.length} replies: ${share(1).toFixed(3)} at 1, ${share(0.7).toFixed(3)} at 0.7, median ${median.toFixed(2)}`,
  )
  assert.ok(share(1) >= 0.85)
  assert.ok(share(0.7) >= 0.94)
  assert.ok(median < 2.5, 'nor is it far above')
})

/** Bytes that the model wrote, by the parsed event. */
function writtenIn(provider: string, event: string): number {
  const line = event.split(/\r?\n/).find(candidate => candidate.startsWith('data:'))
  if (line === undefined || line.includes('[DONE]')) return 0
  const data = JSON.parse(line.slice(5))
  const texts: Record<string, () => unknown[]> = {
    'openai-chat': () =>
      (data.choices ?? []).flatMap(({ delta = {} }: { delta: Record<string, unknown> }) => [
        delta.content,
        delta.reasoning,
        delta.reasoning_content,
        ...((delta.tool_calls ?? []) as { function: { arguments: string } }[]).map(call => call.function.arguments),
      ]),
    'openai-responses': () => [/\.delta$/.test(data.type) ? data.delta : ''],
    'anthropic-messages': () => [data.delta?.text, data.delta?.partial_json, data.delta?.thinking],
    gemini: () => (data.candidates?.[0]?.content?.parts ?? []).map(({ text }: { text: string }) => text),
  }
  const found = texts[provider]?.() ?? []
  return found.reduce((sum: number, text) => sum + (typeof text === 'string' ? Buffer.byteLength(text) : 0), 0)
}

test('wherever a stream is cut, the estimate mostly covers the part of the bill that was received', { skip }, t => {
  let cuts = 0
  let covered = 0
  for (const { recording, exchange, expected } of visible()) {
    if (!recording.stream) continue
    const events = exchange.response.body.replaceAll('oken', '0ken').split(/(?<=\r?\n\r?\n)/)
    const written = events.map(event => writtenIn(recording.provider, event))
    const whole = written.reduce((sum, bytes) => sum + bytes, 0)
    const reader = readerOf(recording, exchange)
    let received = 0
    for (const [index, event] of events.entries()) {
      reader.push(Buffer.from(event))
      received += written[index] as number
      if (received === 0) continue
      cuts++
      if (reader.end(false).output >= Math.floor((expected.output * received) / whole)) covered++
    }
  }
  t.diagnostic(`${(covered / cuts).toFixed(3)} of ${cuts} cuts`)
  assert.ok(cuts > 500)
  assert.ok(covered / cuts >= 0.85)
})

test('the bound of a request’s input holds for all that was recorded', { skip }, t => {
  let bounded = 0
  const beyond: string[] = []
  for (const recording of recordings()) {
    const exchange = readRecording(recording)
    const { request, requestBlobsElided } = exchange
    const expected = recordedUsage(recording.provider, exchange)
    if (expected === null || request === null || exchange.rewrapped || requestBlobsElided) continue
    const { format, operation } = recordedRoutes[recording.provider] as (typeof recordedRoutes)[string]
    const bytes = Buffer.byteLength(JSON.stringify(request.body))
    const bound = boundUsage(format, operation, request.body, bytes, null)
    if (bound.unbounded !== null) continue
    bounded++
    if (bound.input < expected.input) beyond.push(recording.file)
    if (bound.output !== null) assert.ok(bound.output >= expected.output, recording.file)
  }
  t.diagnostic(`${bounded} requests`)
  assert.ok(bounded > 300)
  assert.deepEqual(beyond, BEYOND)
})

/** Models that look things up, or add words, of themselves: nothing in the request says so. */
const BEYOND = [
  'pydantic-ai/openai-chat/groq.groq_model_web_search_tool-0.json',
  'pydantic-ai/openai-chat/openrouter.openrouter_stream_with_native_options-0.json',
]
