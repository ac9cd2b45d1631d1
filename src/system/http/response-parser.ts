/**
 * Parses the responses to GET requests on one connection, HTTP/1.1 or 1.0. Source: RFC 9112.
 *
 *     status line, headers, empty line │ body: by content-length, by chunks, or to the end of the connection
 */

/** The head of a response. */
export interface ResponseHead {
  readonly status: number
  /** By name in lower case. The values of headers that occur several times are joined by commas. */
  readonly headers: ReadonlyMap<string, string>
  /** Whether another response may follow on the connection. */
  readonly persistent: boolean
}

/** Called for what is found. The bytes are views, which are valid as long as the caller of `push` leaves them. */
export interface ResponseHandler {
  head(head: ResponseHead): void
  data(bytes: Uint8Array): void
  /** The body has ended. */
  end(): void
}

/** Bytes of a head, of a line of a chunk's size, or of trailers, above which a response is refused. */
const MAX_HEAD = 65536
const LF = 10
const CR = 13

type State = 'head' | 'length' | 'close' | 'chunk-size' | 'chunk' | 'chunk-end' | 'trailers'

export class ResponseParser {
  readonly #handler: ResponseHandler
  #state: State = 'head'
  /** Bytes of the body, or of the chunk, that are still to come. */
  #left = 0
  /** The beginning of a head or line whose end has not come yet. */
  #held: Buffer | undefined

  constructor(handler: ResponseHandler) {
    this.#handler = handler
  }

  /** Whether the connection may end here: between two responses, or where only its end tells that of the body. */
  get mayEnd(): boolean {
    return (this.#state === 'head' && this.#held === undefined) || this.#state === 'close'
  }

  /** Parses the next bytes. @throws {Error} when they are not a response */
  push(chunk: Buffer): void {
    let bytes = chunk
    while (bytes.length > 0) {
      if (this.#state === 'length' || this.#state === 'chunk') bytes = this.#body(bytes)
      else if (this.#state === 'close') {
        this.#handler.data(bytes)
        return
      } else {
        const rest = this.#text(bytes)
        if (rest === undefined) return
        bytes = rest
      }
    }
  }

  #body(bytes: Buffer): Buffer {
    const part = bytes.length <= this.#left ? bytes : bytes.subarray(0, this.#left)
    this.#left -= part.length
    this.#handler.data(part)
    if (this.#left === 0) {
      if (this.#state === 'chunk') this.#state = 'chunk-end'
      else this.#end()
    }
    return bytes.subarray(part.length)
  }

  /** Parses a head or a line. @returns what follows it; `undefined` when its end has not come yet */
  #text(chunk: Buffer): Buffer | undefined {
    const bytes = this.#held === undefined ? chunk : Buffer.concat([this.#held, chunk])
    const end = this.#state === 'head' ? endOfHead(bytes) : bytes.indexOf(LF) + 1
    if (end <= 0 || end > MAX_HEAD) {
      if (bytes.length > MAX_HEAD) throw new Error('the head of the response is too long')
      this.#held = bytes
      return undefined
    }
    this.#held = undefined
    const text = bytes.toString('latin1', 0, end)
    if (this.#state === 'head') this.#head(text)
    else if (this.#state === 'chunk-size') this.#chunk(text)
    else if (this.#state === 'chunk-end') {
      if (text.trim() !== '') throw new Error('a chunk of the response has no end')
      this.#state = 'chunk-size'
    } else if (text.trim() === '') this.#end() // the end of the trailers
    return bytes.subarray(end)
  }

  #head(text: string): void {
    const lines = text.split('\n')
    const [, minor = '', code = ''] = /^HTTP\/1\.([01]) (\d{3})(?: |\r?$)/.exec(lines[0] ?? '') ?? []
    if (code === '') throw new Error('the server does not speak HTTP/1.1')
    const headers = new Map<string, string>()
    for (let i = 1; i < lines.length; i++) {
      const line = lines[i] as string
      const colon = line.indexOf(':')
      if (colon <= 0) continue
      const name = line.slice(0, colon).toLowerCase()
      const value = line.slice(colon + 1).trim()
      const before = headers.get(name)
      headers.set(name, before === undefined ? value : `${before}, ${value}`)
    }
    const status = Number(code)
    if (status < 200) return // an interim response: the final one follows
    const connection = headers.get('connection')?.toLowerCase() ?? ''
    const length = headers.get('content-length')
    const chunked = headers.get('transfer-encoding')
    if (status === 204 || status === 304) this.#left = 0
    else if (chunked !== undefined) {
      if (chunked.toLowerCase() !== 'chunked') throw new Error('the response has an unknown transfer encoding')
      this.#state = 'chunk-size'
    } else if (length === undefined) this.#state = 'close'
    else {
      if (!/^\d{1,15}$/.test(length)) throw new Error('the response has an invalid length')
      this.#left = Number(length)
      if (this.#left > 0) this.#state = 'length'
    }
    const persistent =
      this.#state !== 'close' && (minor === '1' ? !connection.includes('close') : connection.includes('keep-alive'))
    this.#handler.head({ status, headers, persistent })
    if (this.#state === 'head') this.#handler.end()
  }

  #chunk(text: string): void {
    const [, size = ''] = /^([0-9a-fA-F]{1,12})\s*(?:;[^\n]*)?\r?\n$/.exec(text) ?? []
    if (size === '') throw new Error('the response has an invalid chunk')
    this.#left = Number.parseInt(size, 16)
    this.#state = this.#left === 0 ? 'trailers' : 'chunk'
  }

  #end(): void {
    this.#state = 'head'
    this.#handler.end()
  }
}

/** Returns the offset behind the empty line that ends a head; 0 if there is none yet. */
function endOfHead(bytes: Buffer): number {
  for (let at = bytes.indexOf(LF); at >= 0; at = bytes.indexOf(LF, at + 1)) {
    if (bytes[at + 1] === LF) return at + 2
    if (bytes[at + 1] === CR && bytes[at + 2] === LF) return at + 3
  }
  return 0
}
