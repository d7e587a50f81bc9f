import { once } from 'node:events'
import { test } from 'node:test'
import { ask, openGateway, openProvider, readAll } from './gateway-under-test.ts'
test('hdr', async t => {
  const upstreamPort = await openProvider(t, (_req, res) => {
    res.socket?.write('HTTP/1.1 200 OK\r\nX-Name: 模型\r\nContent-Type: application/json\r\nContent-Length: 100000\r\n\r\n')
    res.socket?.write('x'.repeat(100_000))
  })
  const gateway = await openGateway(t, { upstreamPort, upstream: { connections: 1 } })
  for (let call = 0; call < 2; call++) {
    const res = await ask(gateway.port)
    console.log(call, res.statusCode, (await readAll(res)).text.slice(0, 200), gateway.failures)
  }
})
test('flood', async t => {
  let accepted = 0
  let ended = false
  const port = await openProvider(t, async (_req, res) => {
    res.writeHead(200, { 'content-type': 'x/y' })
    const chunk = 'x'.repeat(65_536)
    while (!res.destroyed && accepted < 100 * 1024 * 1024) {
      accepted += chunk.length
      if (res.write(chunk)) continue
      await Promise.race([once(res, 'drain'), once(res, 'close')])
    }
    res.end()
    ended = true
  })
  const gateway = await openGateway(t, { upstreamPort: port })
  const res = await ask(gateway.port)
  res.pause()
  await new Promise(r => setTimeout(r, 1000))
  console.log('accepted', accepted)
  let read = 0
  res.on('data', c => { read += c.length })
  res.resume()
  for (let i = 0; i < 6; i++) {
    await new Promise(r => setTimeout(r, 500))
    console.log('read', read, accepted, ended, res.complete, gateway.events.length)
  }
})
