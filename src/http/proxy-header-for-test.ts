/** A header of the PROXY protocol, version 2, with any bytes where its parts belong. */
export function proxyHeader(versionCommand: number, family: number, rest: readonly number[]): Buffer {
  const length = [rest.length >> 8, rest.length & 255]
  const signature = Buffer.from('\r\n\r\n\0\r\nQUIT\n', 'latin1')
  return Buffer.concat([signature, Buffer.from([versionCommand, family, ...length, ...rest])])
}
