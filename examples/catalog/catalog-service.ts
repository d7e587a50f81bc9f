import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { createRemoteJWKSet, type JWTPayload, jwtVerify } from 'jose'

interface Title {
  name: string
  readonly isDraft: boolean
  readonly chunks: readonly string[]
}

/** Who calls, as the gateway has signed it. */
interface Caller {
  readonly subject: string
  readonly roles: readonly string[]
}

/**
 * The content catalog. It knows no passwords and takes no tokens of people: it believes the gateway's signature, and
 * refuses whoever comes without one. `seen` records the headers of every request, for the tests.
 */
export async function startCatalog(gateway: string, port = 9420) {
  const titles = new Map<string, Title>([
    ['1', { name: 'The Doorkeeper', isDraft: false, chunks: Array.from({ length: 20 }, (_, n) => `frame ${n}\n`) }],
    ['2', { name: 'Unfinished', isDraft: true, chunks: ['frame 0\n'] }],
  ])
  const keys = createRemoteJWKSet(new URL('/.well-known/ostiary/jwks.json', gateway))
  const seen: IncomingMessage['rawHeaders'][] = []
  const server = createServer((req, res) => {
    seen.push(req.rawHeaders)
    handle(req, res).catch(error => answer(res, 401, { error: `no valid identity: ${error.message}` }))
  }).listen(port, '127.0.0.1')
  await new Promise(resolve => server.once('listening', resolve))

  async function handle(req: IncomingMessage, res: ServerResponse): Promise<void> {
    const caller = callerOf(await verify(req.headers['x-ostiary-identity']))
    const [, collection, id, part] = new URL(req.url ?? '/', 'http://catalog').pathname.split('/')
    const mayEdit = caller.roles.some(role => role === 'editor' || role === 'admin')
    if (collection !== 'titles') return answer(res, 404, { error: 'not found' })
    if (id === undefined) {
      const list = [...titles].filter(([, { isDraft }]) => mayEdit || !isDraft)
      return answer(res, 200, { titles: list.map(([key, { name }]) => ({ id: key, name })), for: caller })
    }
    const title = titles.get(id)
    if (title === undefined || (title.isDraft && !mayEdit)) return answer(res, 404, { error: 'not found' })
    if (req.method === 'PUT') {
      let body = ''
      for await (const chunk of req) body += chunk
      title.name = (JSON.parse(body) as { name: string }).name
      return answer(res, 200, { id, name: title.name, by: caller.subject })
    }
    if (req.method === 'DELETE') {
      titles.delete(id)
      return answer(res, 204)
    }
    if (part !== 'stream') return answer(res, 200, { id, name: title.name })
    res.writeHead(200, { 'content-type': 'application/octet-stream' })
    for (const chunk of title.chunks) {
      res.write(chunk)
      await new Promise(resolve => setTimeout(resolve, 10))
    }
    res.end()
  }

  /** The gateway's word, for this service, of this minute. */
  async function verify(token: string | string[] | undefined): Promise<JWTPayload> {
    const { payload } = await jwtVerify(String(token), keys, {
      issuer: gateway,
      audience: `${gateway}/services/catalog`,
      typ: 'ostiary-identity+jwt',
      algorithms: ['ES256'],
    })
    return payload
  }

  return {
    seen,
    url: `http://127.0.0.1:${(server.address() as { port: number }).port}`,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      await new Promise(resolve => server.close(resolve))
    },
  }
}

function callerOf({ sub = '', roles }: JWTPayload): Caller {
  return { subject: sub, roles: Array.isArray(roles) ? roles : [] }
}

function answer(res: ServerResponse, status: number, body?: object): void {
  if (res.headersSent) {
    res.destroy()
    return
  }
  res.writeHead(status, { 'content-type': 'application/json' })
  res.end(body && JSON.stringify(body))
}
