import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { EventHold } from './event-hold.ts'

const MAX_HELD = 64 * 1024

/** Pushes the pieces; gives what left after each, and all of it together. */
function pass(pieces: readonly Buffer[]) {
  const hold = new EventHold()
  const left = pieces.map(piece => hold.push(piece))
  return { hold, left, sent: Buffer.concat(left.filter(piece => piece !== null)) }
}

function whole({ hold, sent }: ReturnType<typeof pass>): string {
  return Buffer.concat([sent, hold.rest() ?? Buffer.alloc(0)]).toString()
}

function endsWithEvent(bytes: Buffer): boolean {
  return bytes.length === 0 || /\n\r?\n$/.test(bytes.toString('latin1'))
}

const streams: Readonly<Record<string, string>> = {
  LF: 'data: a\n\nevent: x\ndata: {"b":\ndata: 1}\n\n: comment\n\ndata: [DONE]\n\n',
  CRLF: 'data: a\r\n\r\nevent: x\r\ndata: {"b": 1}\r\n\r\ndata: ü😀\r\n\r\n',
  'both mixed': 'data: a\r\n\ndata: b\n\r\ndata: c\n\n\r\n\r\n',
  'blank lines at the start': '\n\n\r\n\ndata: a\n\n',
  'an unfinished event at its end': 'data: a\n\ndata: b\n',
}

for (const [what, text] of Object.entries(streams)) {
  const bytes = Buffer.from(text)
  test(`with ${what}: split at every byte, all comes out, and only whole events before the end`, () => {
    for (let first = 0; first <= bytes.length; first++) {
      for (let second = first; second <= bytes.length; second++) {
        const passed = pass([bytes.subarray(0, first), bytes.subarray(first, second), bytes.subarray(second)])
        assert.equal(whole(passed), text)
        for (const piece of passed.left)
          assert.ok(piece === null || endsWithEvent(piece), JSON.stringify(String(piece)))
        assert.equal(passed.hold.midEvent, false)
      }
    }
  })
}

for (const what of ['LF', 'CRLF', 'an unfinished event at its end']) {
  const bytes = Buffer.from(streams[what] as string)
  test(`with ${what}: byte by byte, each event leaves with its last byte`, () => {
    const hold = new EventHold()
    let sent = ''
    for (let at = 0; at < bytes.length; at++) {
      sent += hold.push(bytes.subarray(at, at + 1))?.toString('latin1') ?? ''
      const seen = bytes.subarray(0, at + 1).toString('latin1')
      const complete = /^(?:.*\n\r?\n)?/s.exec(seen)?.[0] ?? ''
      assert.equal(sent, complete)
    }
  })
}

test('a chunk of whole events passes untouched, without a copy', () => {
  const chunk = Buffer.from('data: a\n\ndata: b\n\n')
  assert.equal(new EventHold().push(chunk), chunk)
})

test('holds an event up to the bound, and passes a longer one in pieces', () => {
  const hold = new EventHold()
  assert.equal(hold.push(Buffer.alloc(MAX_HELD, 'x')), null)
  assert.equal(hold.midEvent, false)
  assert.equal(hold.push(Buffer.from('x'))?.length, MAX_HELD + 1)
  assert.equal(hold.midEvent, true)
  assert.equal(hold.rest(), null)
  assert.equal(String(hold.push(Buffer.from('x\n\ndata: b\n\n'))), 'x\n\ndata: b\n\n')
  assert.equal(hold.midEvent, false)
})

test('an event whose end is cut off from a passed piece is not taken for finished', () => {
  const hold = new EventHold()
  hold.push(Buffer.concat([Buffer.alloc(MAX_HELD + 1, 'x'), Buffer.from('\n')]))
  const rest = [hold.push(Buffer.from('\n')), hold.push(Buffer.from('data: b\n\n'))]
  assert.equal(rest.map(piece => piece ?? '').join(''), '\ndata: b\n\n')
  assert.equal(hold.midEvent, false)
})

test('an empty piece changes nothing in the middle of an event', () => {
  const hold = new EventHold()
  hold.push(Buffer.alloc(MAX_HELD + 1, 'x'))
  assert.equal(hold.push(Buffer.alloc(0)), null)
  assert.equal(hold.midEvent, true)
})

test('whatever comes in whatever pieces, all of it comes out, and no more than the bound is held', () => {
  const piece = fc.oneof(
    fc.constantFrom('\n', '\r\n', '\n\n', '\r\n\r\n', 'data: a', '\r'),
    fc.nat(MAX_HELD).map(length => 'x'.repeat(length)),
  )
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 12 }), texts => {
      const passed = pass(texts.map(text => Buffer.from(text)))
      assert.equal(whole(passed), texts.join(''))
      assert.ok((passed.hold.rest()?.length ?? 0) <= MAX_HELD)
      if (!passed.hold.midEvent) assert.ok(endsWithEvent(passed.sent))
    }),
  )
})
