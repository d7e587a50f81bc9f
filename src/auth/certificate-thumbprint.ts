import { hash } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import type { TLSSocket } from 'node:tls'

/** SHA-256 of the client's certificate of this connection, base64url (RFC 8705 §3.1); null = it presented none. */
export type CertificateThumbprint = (req: IncomingMessage) => string | null

/** Of a connection whose TLS the gateway itself ends; a plaintext one has none, whatever its headers say. */
export const certificateThumbprint: CertificateThumbprint = ({ socket }) => {
  if (!('getPeerCertificate' in socket)) return null
  const { raw } = (socket as TLSSocket).getPeerCertificate()
  return raw === undefined ? null : hash('sha256', raw, 'base64url')
}
