import { createHash, createHmac } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

/** What a bucket does with a request besides what S3 would: `true` = it has answered, or will not. */
type Trouble = (req: IncomingMessage, res: ServerResponse) => boolean

export interface TestBucket extends AsyncDisposable {
  readonly url: string
  /** By path. */
  readonly objects: Map<string, string>
  /** Statuses answered. */
  readonly answered: number[]
  /** Before anything is done. */
  before: Trouble
  /** Once the object is stored. */
  after: Trouble
}

/**
 * The part of S3 that anchors speak, strict: verifies the signature from the bytes received, by a derivation of its
 * own, and puts objects only where there are none.
 */
export async function startBucket(accessKeyId: string, secret: string): Promise<TestBucket> {
  const objects = new Map<string, string>()
  const answered: number[] = []
  const server = createServer(async (req, res) => {
    const chunks: Buffer[] = []
    for await (const chunk of req) chunks.push(chunk)
    const body = Buffer.concat(chunks)
    const path = req.url ?? ''
    const end = (status: number, text = '') => {
      answered.push(status)
      res.writeHead(status).end(text)
    }
    if (bucket.before(req, res)) return
    if (!isSigned(req, body, accessKeyId, secret)) return end(403, '<Error><Code>SignatureDoesNotMatch</Code></Error>')
    const stored = objects.get(path)
    if (req.method === 'GET') return stored === undefined ? end(404) : end(200, stored)
    if (req.method !== 'PUT' || req.headers['if-none-match'] !== '*') return end(400)
    if (stored !== undefined) return end(412, '<Error><Code>PreconditionFailed</Code></Error>')
    objects.set(path, body.toString())
    if (!bucket.after(req, res)) end(200)
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const bucket: TestBucket = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    objects,
    answered,
    before: () => false,
    after: () => false,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      server.close()
    },
  }
  return bucket
}

/** AWS Signature Version 4 from the receiver's side. */
function isSigned(req: IncomingMessage, body: Buffer, accessKeyId: string, secret: string): boolean {
  const pattern =
    /^AWS4-HMAC-SHA256 Credential=([^/]+)\/(\d{8})\/([^/]+)\/s3\/aws4_request, ?SignedHeaders=([^,]+), ?Signature=([0-9a-f]{64})$/
  const [, id, day, region, signed = '', signature] = pattern.exec(req.headers.authorization ?? '') ?? []
  const sha256 = (data: string | Buffer) => createHash('sha256').update(data).digest('hex')
  const time = String(req.headers['x-amz-date'])
  const iso = time.replace(/^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/, '$1-$2-$3T$4:$5:$6Z')
  if (id !== accessKeyId || !time.startsWith(`${day}T`) || Math.abs(Date.parse(iso) - Date.now()) > 900_000)
    return false
  if (req.headers['x-amz-content-sha256'] !== sha256(body)) return false
  // All headers that mean anything are signed.
  const names = signed.split(';')
  const needed = ['host', 'x-amz-content-sha256', 'x-amz-date', 'if-none-match', 'content-type']
  if (needed.some(name => req.headers[name] !== undefined && !names.includes(name))) return false
  const canonical = `${req.method}\n${req.url}\n\n${names.map(name => `${name}:${req.headers[name]}`).join('\n')}\n\n${signed}\n${sha256(body)}`
  const text = `AWS4-HMAC-SHA256\n${time}\n${day}/${region}/s3/aws4_request\n${sha256(canonical)}`
  const hmac = (key: string | Buffer, data: string) => createHmac('sha256', key).update(data).digest()
  const key = hmac(hmac(hmac(hmac(`AWS4${secret}`, String(day)), String(region)), 's3'), 'aws4_request')
  return hmac(key, text).toString('hex') === signature
}
