import { createReadStream } from 'node:fs'
import { type FileHandle, open } from 'node:fs/promises'
import { Problem } from '#core/problems.ts'

/** A file to be put into an archive. */
export interface ArchiveEntry {
  /** A plain file name. */
  readonly name: string
  readonly file: string
  /** Bytes of it that are taken. */
  readonly size: number
}

const NAME = /^[a-z0-9][a-z0-9.-]{0,99}$/
const MAX_HEAD_BYTES = 1024

/** Files one after the other, each behind a line that names it and its size; the last line says that this is all. */
export async function* writeArchive(entries: readonly ArchiveEntry[]): AsyncGenerator<Buffer> {
  for (const { name, file, size } of entries) {
    yield Buffer.from(`${JSON.stringify({ name, size })}\n`)
    let left = size
    if (size > 0) {
      for await (const chunk of createReadStream(file, { end: size - 1 })) {
        left -= (chunk as Buffer).length
        yield chunk as Buffer
      }
    }
    if (left > 0) throw new Problem('backup.not_possible', { detail: `${name} became shorter while it was read.` })
  }
  yield Buffer.from(`${JSON.stringify({ end: true })}\n`)
}

/** Writes the files of an archive, durably and for their owner only; resolves to their names. Throws `backup.unreadable`. */
export async function readArchive(source: AsyncIterable<Buffer>, pathOf: (name: string) => string): Promise<string[]> {
  const reader = new ByteReader(source)
  const names: string[] = []
  for (;;) {
    const head = JSON.parse((await reader.line(MAX_HEAD_BYTES)).toString()) as Partial<ArchiveEntry> & { end?: boolean }
    if (head.end === true) break
    const { name, size } = head
    if (name === undefined || !NAME.test(name) || size === undefined || names.includes(name)) throw malformed()
    const file = await open(pathOf(name), 'wx', 0o600)
    try {
      await reader.copy(size, file)
      await file.sync()
    } finally {
      await file.close()
    }
    names.push(name)
  }
  if (!(await reader.atEnd())) throw malformed()
  return names
}

class ByteReader {
  readonly #pieces: AsyncIterator<Buffer>
  #held: Buffer = Buffer.alloc(0)

  constructor(source: AsyncIterable<Buffer>) {
    this.#pieces = source[Symbol.asyncIterator]()
  }

  async line(max: number): Promise<Buffer> {
    for (;;) {
      const end = this.#held.indexOf('\n')
      if (end > max || (end < 0 && this.#held.length > max)) throw malformed()
      if (end >= 0) return this.#take(end + 1)
      if (!(await this.#more())) throw malformed()
    }
  }

  async copy(size: number, file: FileHandle): Promise<void> {
    for (let left = size; left > 0; ) {
      if (this.#held.length === 0 && !(await this.#more())) throw malformed()
      const piece = this.#take(Math.min(left, this.#held.length))
      await file.writeFile(piece)
      left -= piece.length
    }
  }

  /** Reads on to the end, which is where a stream says whether it is whole. */
  async atEnd(): Promise<boolean> {
    while (this.#held.length === 0) if (!(await this.#more())) return true
    return false
  }

  #take(length: number): Buffer {
    const taken = this.#held.subarray(0, length)
    this.#held = this.#held.subarray(length)
    return taken
  }

  async #more(): Promise<boolean> {
    const { value, done } = await this.#pieces.next()
    if (done) return false
    this.#held = this.#held.length === 0 ? value : Buffer.concat([this.#held, value])
    return true
  }
}

function malformed(): Problem {
  return new Problem('backup.unreadable', { detail: 'What is in the file is not a backup’s content.' })
}
