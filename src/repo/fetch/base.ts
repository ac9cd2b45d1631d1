/**
 * The base URL of a remote's files. Credentials in it become a header, so that they appear in no message and are sent
 * to no other origin.
 *
 *     https://user:password@host/repo?query  ->  https://host/repo, Authorization: Basic …
 */

import { encodeUtf8 } from '../../bytes.ts'
import { InvalidNameError, UnsupportedError } from '../../errors.ts'

/** A place below which the files of a repository lie. */
export interface FetchBase {
  /** Without credentials, query and a slash at the end. */
  readonly url: string
  /** Value of the header `Authorization`. It is sent to the origin of `url` only. */
  readonly authorization?: string | undefined
}

/**
 * Parses a base URL.
 * @throws {InvalidNameError} when it is not a URL
 * @throws {UnsupportedError} when its scheme is not `http`, `https` or `file`
 */
export function parseBase(text: string): FetchBase {
  let url: URL
  try {
    url = new URL(text)
  } catch {
    throw new InvalidNameError('URL', `Failed to parse url: ${text.replace(/\/\/[^/]*@/, '//')}`)
  }
  if (!['http:', 'https:', 'file:'].includes(url.protocol)) {
    throw new UnsupportedError(url.protocol, `Invalid URI scheme in ${text.replace(/\/\/[^/]*@/, '//')}`)
  }
  const { username, password } = url
  url.username = ''
  url.password = ''
  url.search = ''
  url.hash = ''
  const base = { url: url.href.replace(/\/+$/, '') }
  if (username === '' && password === '') return base
  return { ...base, authorization: `Basic ${base64(`${decoded(username)}:${decoded(password)}`)}` }
}

/** Returns the URL of a file below a base. @param path with slashes, not escaped */
export function urlBelow({ url }: FetchBase, path: string): string {
  return path === '' ? url : `${url}/${encodeURI(path)}`
}

/** Decodes percent escapes. Text that is not a valid escape sequence is kept. */
function decoded(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}

function base64(text: string): string {
  return btoa(Array.from(encodeUtf8(text), (byte) => String.fromCharCode(byte)).join(''))
}
