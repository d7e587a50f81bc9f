import type { IncomingMessage, ServerResponse } from 'node:http'
import { scopes } from '#core/operations.ts'

/** The path that RFC 9728 §3 registers. */
export const RESOURCE_METADATA_PATH = '/.well-known/oauth-protected-resource'

interface ResourceMetadataOptions {
  /** Origin of the public listener, as configured: the identifier of this resource. */
  readonly resource: string
  /** Issuer identifiers of the authorization servers whose tokens are taken. */
  readonly authorizationServers: readonly string[]
  /** Scopes that services ask for. */
  readonly serviceScopes: readonly string[]
  readonly dpopAlgorithms: readonly string[]
  /** Whether every one of them must bind its tokens to a DPoP key. */
  readonly dpopRequired: boolean
}

/** What clients may learn without a credential: where to get one (RFC 9728 §2). */
export interface ResourceMetadata {
  /** For the parameter `resource_metadata` of challenges (§5.1). */
  readonly url: string
  readonly body: Buffer
}

export function makeResourceMetadata(options: ResourceMetadataOptions): ResourceMetadata {
  const { resource, authorizationServers, serviceScopes, dpopAlgorithms, dpopRequired } = options
  const document = {
    resource,
    authorization_servers: authorizationServers,
    scopes_supported: [...new Set([...scopes, ...serviceScopes])],
    bearer_methods_supported: ['header'],
    dpop_signing_alg_values_supported: dpopAlgorithms,
    dpop_bound_access_tokens_required: dpopRequired,
    resource_name: 'Ostiary',
  }
  return { url: `${resource}${RESOURCE_METADATA_PATH}`, body: Buffer.from(JSON.stringify(document)) }
}

/** Whether a request is for the metadata; what comes with it does not matter. */
export function asksForResourceMetadata({ method, url }: IncomingMessage): boolean {
  return url === RESOURCE_METADATA_PATH && (method === 'GET' || method === 'HEAD')
}

/** Public, the same for everybody, and for pages of any origin: clients in browsers look it up too. */
export function answerResourceMetadata(res: ServerResponse, { body }: ResourceMetadata): void {
  res.writeHead(200, {
    'content-type': 'application/json',
    'content-length': body.length,
    'cache-control': 'public, max-age=300',
    'access-control-allow-origin': '*',
  })
  res.end(res.req.method === 'HEAD' ? undefined : body)
}
