/**
 * A network whose answers are an input, one after the other, whatever is asked:
 *
 *     status 2 │ bytes of head 2 │ head, `name: value` lines │ bytes of body 4 │ body │ next answer …
 *
 * Numbers are little-endian. The highest bit of the status resets the connection behind the body. Behind the last answer all
 * requests get 404.
 */
import { concatBytes, encodeUtf8, readAll } from '../../src/bytes.ts'
import type { Fetch, FetchInit, FetchResponse } from '../../src/platform/index.ts'

const RESET = 0x8000
const HEADERS = [
  'content-length',
  'content-range',
  'content-type',
  'docker-content-digest',
  'docker-upload-uuid',
  'etag',
  'last-modified',
  'link',
  'location',
  'oci-filters-applied',
  'oci-subject',
  'range',
  'retry-after',
  'www-authenticate',
]

/** Notes the answers of another network. */
export class Recorder {
  readonly #parts: Uint8Array[] = []
  readonly #fetch: Fetch

  constructor(fetch: Fetch) {
    this.#fetch = fetch
  }

  /** Passes a request on. */
  readonly fetch: Fetch = async (url, init) => {
    const response = await this.#fetch(url, init)
    const body = response.body === null ? new Uint8Array(0) : await readAll(response.body)
    const found = HEADERS.flatMap((name) => {
      const value = response.headers.get(name)
      return value === null ? [] : [`${name}: ${value}`]
    })
    this.#parts.push(answer(response.status, found, body))
    return { status: response.status, headers: response.headers, body: once(body) }
  }

  /** The answers so far. */
  get bytes(): Uint8Array {
    return concatBytes(this.#parts)
  }
}

/** Encodes an answer. */
export function answer(status: number, head: readonly string[], body: Uint8Array): Uint8Array {
  const text = encodeUtf8(head.join('\n'))
  const numbers = new DataView(new ArrayBuffer(8))
  numbers.setUint16(0, status, true)
  numbers.setUint16(2, text.length, true)
  numbers.setUint32(4, body.length, true)
  const bytes = new Uint8Array(numbers.buffer)
  return concatBytes([bytes.subarray(0, 4), text, bytes.subarray(4), body])
}

/** Returns a network with these answers. It fails after a thousand requests. */
export function replay(input: Uint8Array): Fetch {
  let at = 0
  let requests = 0
  const take = (length: number): Uint8Array => {
    const bytes = input.slice(at, at + length)
    at = Math.min(input.length, at + length)
    return bytes
  }
  const number = (width: number): number => take(width).reduceRight((value, byte) => value * 256 + byte, 0)
  return async (_, init: FetchInit): Promise<FetchResponse> => {
    init.signal?.throwIfAborted()
    if (++requests > 1000) throw new Error('a thousand requests')
    // What is sent is taken, as a server does.
    if (init.body !== undefined && !(init.body instanceof Uint8Array)) await readAll(init.body)
    if (at >= input.length) return { status: 404, headers: new Headers(), body: null }
    const status = number(2)
    const head = new TextDecoder().decode(take(number(2)))
    const body = take(number(4))
    const headers = new Map<string, string>()
    for (const line of head.split('\n')) {
      const colon = line.indexOf(':')
      if (colon > 0) headers.set(line.slice(0, colon).trim().toLowerCase(), line.slice(colon + 1).trim())
    }
    const get = (name: string): string | null => headers.get(name.toLowerCase()) ?? null
    return { status: (status % 0x8000) % 1000, headers: { get }, body: once(body, (status & RESET) !== 0) }
  }
}

async function* once(body: Uint8Array, reset = false): AsyncGenerator<Uint8Array> {
  const middle = body.length >> 1
  if (middle > 0) yield body.slice(0, middle)
  if (body.length > 0) yield body.slice(middle)
  if (reset) throw Object.assign(new Error('reset'), { code: 'ECONNRESET' })
}
