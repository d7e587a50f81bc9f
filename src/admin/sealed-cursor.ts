import { hkdfSync } from 'node:crypto'
import { Problem } from '#core/problems.ts'
import { decrypt, encrypt } from '#secrets/aead.ts'

/** All are made as long as this, so that not even the length of one says how many rows there are. */
const LENGTH = 80

/** Where a page of a list ended, for the operator to hand back; whoever holds it can neither read nor change it. */
export interface SealedCursor {
  seal(place: string, operator: string): string
  /** Throws `admin.invalid_input` for what was not sealed here for this operator. */
  open(cursor: string, operator: string): string
}

/** `purpose` keeps cursors of one list from being taken for another's. */
export function createSealedCursor(deploymentSecret: Buffer, purpose: string): SealedCursor {
  const key = () => Buffer.from(hkdfSync('sha256', deploymentSecret, '', `ostiary cursor\0${purpose}`, 32))
  return {
    seal: (place, operator) => encrypt(key(), Buffer.from(place.padEnd(LENGTH)), operator).toString('base64url'),
    open(cursor, operator) {
      const place = decrypt(key(), Buffer.from(cursor, 'base64url'), operator)
      if (place === null) throw new Problem('admin.invalid_input', { detail: '`after` is not the `next` of a page.' })
      return place.toString().trimEnd()
    },
  }
}
