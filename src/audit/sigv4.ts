import { createHmac, hash } from 'node:crypto'
import type { Secret } from '#core/secret.ts'

export interface S3Credentials {
  readonly region: string
  readonly accessKeyId: Secret
  readonly secretAccessKey: Secret
}

export interface S3Request {
  readonly method: 'GET' | 'PUT'
  /** With the port where it is not the scheme's own. */
  readonly host: string
  /** Not yet escaped. */
  readonly path: string
  /** Further headers, names in lower case; all of them are signed. */
  readonly headers: Readonly<Record<string, string>>
  readonly body: Buffer | string
}

/**
 * Signs a request to S3 by AWS Signature Version 4, its body included, without a query (Amazon S3 API reference,
 * "Authenticating Requests: Using the Authorization Header"). Answers the escaped path and all headers.
 */
export function signS3(
  request: S3Request,
  { region, accessKeyId, secretAccessKey }: S3Credentials,
  at: number,
): { readonly path: string; readonly headers: Record<string, string> } {
  const time = `${new Date(at).toISOString().slice(0, 19).replace(/[-:]/g, '')}Z`
  const day = time.slice(0, 8)
  const path = escapePath(request.path)
  const bodyHash = hash('sha256', request.body)
  const headers: Record<string, string> = {
    ...request.headers,
    host: request.host,
    'x-amz-content-sha256': bodyHash,
    'x-amz-date': time,
  }
  const names = Object.keys(headers).sort()
  const lines = names.map(name => `${name}:${headers[name]?.trim()}\n`).join('')
  const canonical = [request.method, path, '', lines, names.join(';'), bodyHash].join('\n')
  const scope = `${day}/${region}/s3/aws4_request`
  const toSign = ['AWS4-HMAC-SHA256', time, scope, hash('sha256', canonical)].join('\n')
  let key: Buffer = Buffer.from(`AWS4${secretAccessKey.reveal()}`)
  for (const part of [day, region, 's3', 'aws4_request', toSign]) key = createHmac('sha256', key).update(part).digest()
  const credential = `${accessKeyId.reveal()}/${scope}`
  const authorization = `AWS4-HMAC-SHA256 Credential=${credential},SignedHeaders=${names.join(';')},Signature=${key.toString('hex')}`
  return { path, headers: { ...headers, authorization } }
}

/** All but the unreserved characters of RFC 3986, segment by segment; S3 escapes once. */
function escapePath(path: string): string {
  return path.split('/').map(escapeSegment).join('/')
}

function escapeSegment(text: string): string {
  return encodeURIComponent(text).replace(
    /[!'()*]/g,
    character => `%${character.charCodeAt(0).toString(16).toUpperCase()}`,
  )
}
