import { readFileSync } from 'node:fs'
import { parseStrictJson } from '#http/strict-json.ts'
import { KeysNotHad } from '#issuers/review/finding.ts'
import { MAX_DOCUMENT_BYTES } from './fetch-document.ts'
import { type KeySetReading, readKeySet } from './read-key-set.ts'

const MAX_DEPTH = 16

/** The keys of a file. Throws `KeysNotHad`. */
export function readKeyFile(path: string): KeySetReading {
  return readKeySet(parse(read(path)))
}

function read(path: string): Buffer {
  try {
    const text = readFileSync(path)
    if (text.length <= MAX_DOCUMENT_BYTES) return text
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException
    throw new KeysNotHad('file_unreadable', `The file cannot be read (${code}).`, cause)
  }
  throw new KeysNotHad('too_large', `The file has more than ${MAX_DOCUMENT_BYTES} bytes.`)
}

function parse(text: Buffer) {
  try {
    return parseStrictJson(text, MAX_DEPTH).value
  } catch (cause) {
    throw new KeysNotHad('not_json', 'The file is no JSON object.', cause)
  }
}
