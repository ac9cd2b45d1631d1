/**
 * Metalinks: XML files that list the places of a file, with its size and checksums.
 *
 *     <metalink xmlns="http://www.metalinker.org/"><files>
 *       <file name="summary"><size>592</size>
 *         <verification><hash type="sha256">…</hash></verification>
 *         <resources><url>http://host/repo/summary</url></resources>
 *       </file>
 *     </files></metalink>
 *
 * Source: ostree-metalink.c; GLib's GMarkup, whose subset of XML this is.
 */

import { sha512 } from '@noble/hashes/sha2.js'
import { decodeUtf8, toHex } from '../../bytes.ts'
import { FetchError, FormatError, NotFoundError, type OstreeError, withContext } from '../../errors.ts'
import type { Platform } from '../../platform/index.ts'
import { type FetchBase, parseBase } from './base.ts'
import type { Fetcher } from './fetcher.ts'
import { MAX_TEXT } from './mirrors.ts'

/** What a metalink says of one file. */
interface MetalinkFile {
  readonly size: number
  readonly sha256: string | undefined
  readonly sha512: string | undefined
  readonly urls: readonly string[]
}

/**
 * Fetches the file of that name from the first place that has it.
 * @param metalink URL of the metalink
 * @returns its bytes, and the directory that it was in
 * @throws {FormatError} when the metalink is malformed
 * @throws {FetchError} or {FormatError} when no place has the file: the error of the last one
 */
export async function fetchByMetalink(
  fetcher: Fetcher,
  platform: Platform,
  metalink: string,
  name: string,
): Promise<{ bytes: Uint8Array; base: FetchBase }> {
  const text = decodeUtf8(await fetcher.read({ bases: [parseBase(metalink)], path: '', limit: MAX_TEXT }))
  if (text === undefined) throw malformed('Invalid UTF-8 encoded text')
  const file = parseMetalink(text, name)
  let failure: OstreeError | undefined
  for (const url of file.urls) {
    try {
      const place = parseBase(url)
      const bytes = await fetcher.read({ bases: [place], path: '', limit: MAX_TEXT })
      requireSame(platform, bytes, file)
      return { bytes, base: { ...place, url: place.url.slice(0, place.url.lastIndexOf('/')) } }
    } catch (error) {
      if (!(error instanceof FetchError || error instanceof FormatError)) throw error
      failure = error
    }
  }
  throw withContext(`No metalink targets succeeded for ${name}`, failure)
}

function requireSame(platform: Platform, bytes: Uint8Array, file: MetalinkFile): void {
  if (bytes.length !== file.size) {
    throw malformed(`Expected size is ${file.size} bytes but content is ${bytes.length} bytes`)
  }
  const expected = file.sha512 ?? file.sha256
  const actual = file.sha512 === undefined ? platform.sha256(bytes) : toHex(sha512(bytes))
  if (actual !== expected) throw malformed(`Expected checksum is ${expected} but actual is ${actual}`)
}

function malformed(message: string): FormatError {
  return new FormatError('metalink', message)
}

/** Returns what a metalink says of a file. */
function parseMetalink(text: string, name: string): MetalinkFile {
  let path = ''
  let found: { size?: number; sha256?: string; sha512?: string; urls: string[] } | undefined
  let inFile = false
  let hash = ''
  let content = ''
  readMarkup(text, {
    start(element, attributes) {
      path += `/${element}`
      content = ''
      if (path === '/metalink/files/file') {
        inFile = attributes.get('name') === name
        if (inFile) found ??= { urls: [] }
      } else if (path === '/metalink/files/file/verification/hash') hash = attributes.get('type') ?? ''
    },
    text(piece) {
      content += piece
    },
    end() {
      if (inFile && found !== undefined) {
        const value = content.trim()
        if (path === '/metalink/files/file/size') found.size = parseSize(value)
        else if (path === '/metalink/files/file/verification/hash') {
          if (hash === 'sha256') found.sha256 = parseDigest(value, hash, 64)
          else if (hash === 'sha512') found.sha512 = parseDigest(value, hash, 128)
        } else if (path === '/metalink/files/file/resources/url') found.urls.push(value)
        else if (path === '/metalink/files/file') inFile = false
      }
      content = ''
      path = path.slice(0, path.lastIndexOf('/'))
    },
  })
  if (found === undefined) throw new NotFoundError(name, `No <file name='${name}'> found`)
  const { size, sha256, sha512: long, urls } = found
  if (size === undefined) throw malformed('No <size> element found or it is invalid')
  if (sha256 === undefined && long === undefined)
    throw malformed('No <verification> element with known <hash type=> found')
  if (urls.length === 0) throw malformed("No <url method='http'> elements found")
  return { size, sha256, sha512: long, urls }
}

function parseSize(text: string): number {
  if (!/^\d{1,15}$/.test(text)) throw malformed('No <size> element found or it is invalid')
  return Number(text)
}

function parseDigest(text: string, kind: string, length: number): string {
  if (text.length !== length || !/^[0-9a-f]*$/.test(text)) throw malformed(`Invalid hash digest for ${kind}`)
  return text
}

/** Called for what is found in a document. */
interface MarkupHandler {
  start(element: string, attributes: ReadonlyMap<string, string>): void
  text(piece: string): void
  end(): void
}

const NAME = '[A-Za-z_:][-A-Za-z0-9_:.]*'
const TAG = new RegExp(`^<(${NAME})((?:\\s+${NAME}\\s*=\\s*(?:"[^"<]*"|'[^'<]*'))*)\\s*(/?)>`)
const ATTRIBUTE = new RegExp(`(${NAME})\\s*=\\s*(?:"([^"<]*)"|'([^'<]*)')`, 'g')
const END_TAG = new RegExp(`^</(${NAME})\\s*>`)
/** What GMarkup passes over: processing instructions, comments, and the document type. */
const PASSED = /^<(?:\?[\s\S]*?\?|!--[\s\S]*?--|![A-Z][^>]*)>/
const CDATA = /^<!\[CDATA\[([\s\S]*?)\]\]>/
/** Depth of elements above which a document is refused. */
const MAX_DEPTH = 64

/** Reads the subset of XML that GMarkup reads. @throws {FormatError} when the document is not well-formed */
function readMarkup(document: string, handler: MarkupHandler): void {
  const open: string[] = []
  let started = false
  let rest = document.replace(/^\uFEFF/, '')
  while (rest !== '') {
    const next = rest.indexOf('<')
    const piece = next < 0 ? rest : rest.slice(0, next)
    if (piece !== '') {
      if (open.length > 0) handler.text(unescapeMarkup(piece))
      else if (piece.trim() !== '') {
        throw malformed(
          started ? 'Unexpected text after the document' : 'Document must begin with an element (e.g. <book>)',
        )
      }
      rest = rest.slice(piece.length)
      continue
    }
    const passed = PASSED.exec(rest)
    const cdata = CDATA.exec(rest)
    const tag = TAG.exec(rest)
    const end = END_TAG.exec(rest)
    if (cdata !== null) handler.text(cdata[1] ?? '')
    else if (tag !== null) {
      const [, name = '', attributes = '', empty] = tag
      if (open.length >= MAX_DEPTH) throw malformed(`Elements are nested more than ${MAX_DEPTH} deep`)
      if (open.length === 0 && started) throw malformed('Document has more than one root element')
      started = true
      open.push(name)
      handler.start(name, parseAttributes(attributes))
      if (empty === '/') {
        open.pop()
        handler.end()
      }
    } else if (end !== null) {
      const name = open.pop()
      if (name !== end[1])
        throw malformed(`Element “${end[1]}” was closed, but the currently open element is “${name}”`)
      handler.end()
    } else if (passed === null) throw malformed('Document was not well-formed')
    rest = rest.slice((cdata ?? tag ?? end ?? passed)?.[0].length ?? 0)
  }
  if (!started) throw malformed('Document was empty or contained only whitespace')
  if (open.length > 0) throw malformed('Document ended unexpectedly with elements still open')
}

function parseAttributes(text: string): Map<string, string> {
  return new Map(Array.from(text.matchAll(ATTRIBUTE), ([, name = '', a, b]) => [name, unescapeMarkup(a ?? b ?? '')]))
}

const ENTITIES: Readonly<Record<string, string>> = { amp: '&', lt: '<', gt: '>', quot: '"', apos: "'" }

function unescapeMarkup(text: string): string {
  return text.replace(/&(?:#(\d{1,7})|#x([0-9a-fA-F]{1,6})|(\w+));/g, (whole, decimal, hex, name) => {
    if (name !== undefined) return ENTITIES[name] ?? whole
    const code = Number.parseInt(decimal ?? hex, decimal === undefined ? 16 : 10)
    return code <= 0x10ffff ? String.fromCodePoint(code) : whole
  })
}
