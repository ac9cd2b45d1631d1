/**
 * Resolves the URL of a remote to the bases that have its files: the URL itself, or the entries of a mirror list.
 *
 *     mirrorlist=http://host/list     a text with one URL per line; lines that begin with # are comments
 *
 * Source: ostree-repo-pull.c, fetch_mirrorlist, compute_effective_mirrorlist.
 */

import { decodeUtf8 } from '../../bytes.ts'
import { FetchError, FormatError, withContext } from '../../errors.ts'
import { type FetchBase, parseBase } from './base.ts'
import type { Fetcher } from './fetcher.ts'

const MIRROR_LIST = 'mirrorlist='
/** Maximum size in bytes of a mirror list, a configuration, or a ref. */
export const MAX_TEXT: number = 128 * 1024 * 1024

/**
 * Returns the bases that a URL in the configuration means.
 * @throws {FetchError} when the mirror list cannot be fetched
 * @throws {FormatError} when it has no mirror that answers
 */
export async function basesOf(fetcher: Fetcher, url: string): Promise<FetchBase[]> {
  if (!url.startsWith(MIRROR_LIST)) return [parseBase(url)]
  const list = url.slice(MIRROR_LIST.length)
  try {
    return await mirrorsOf(fetcher, list)
  } catch (error) {
    if (error instanceof FormatError) throw error
    throw withContext(`While fetching mirrorlist '${list}'`, error)
  }
}

async function mirrorsOf(fetcher: Fetcher, list: string): Promise<FetchBase[]> {
  const bytes = await fetcher.read({ bases: [parseBase(list)], path: '', limit: MAX_TEXT })
  const text = decodeUtf8(bytes)
  if (text === undefined) throw new FormatError('mirrorlist', `While fetching mirrorlist '${list}': Invalid UTF-8`)
  const mirrors: FetchBase[] = []
  for (const line of text.split('\n')) {
    const mirror = line === '' || line.startsWith('#') ? undefined : parseMirror(line)
    if (mirror === undefined) continue
    // Only as long as none has answered: the rest is used if the first one fails later.
    if (mirrors.length === 0 && !(await answers(fetcher, mirror))) continue
    mirrors.push(mirror)
  }
  if (mirrors.length === 0) throw new FormatError('mirrorlist', `No valid mirrors were found in mirrorlist '${list}'`)
  return mirrors
}

function parseMirror(line: string): FetchBase | undefined {
  try {
    const base = parseBase(line)
    return base.url.startsWith('file:') ? undefined : base
  } catch {
    return undefined
  }
}

async function answers(fetcher: Fetcher, mirror: FetchBase): Promise<boolean> {
  try {
    await fetcher.read({ bases: [mirror], path: 'config', limit: MAX_TEXT })
    return true
  } catch (error) {
    if (error instanceof FetchError) return false
    throw error
  }
}
