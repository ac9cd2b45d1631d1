/**
 * Names in GNU tar headers as the tar library behind ostree-ext puts them there. Layers are named by the hash of their
 * bytes, so what readers skip counts too: a name that does not fit is tried first and leaves the components that did,
 * and every name written over a longer one leaves the tail of it.
 *
 * Source: tar-rs, builder.rs (prepare_header_path, prepare_header_link) and header.rs (copy_path_into, copy_into).
 */

import { displayUtf8, EMPTY_BYTES, encodeUtf8 } from '../../bytes.ts'
import { encodeGnuLong, type HeaderBlock } from '../../tar/index.ts'

/** Bytes of the name and link name fields. */
const FIELD = 100
const SLASH = 0x2f
const DOT = 0x2e
const SEPARATOR = Uint8Array.of(SLASH)

/**
 * @param path relative, of plain names; `./` in front is dropped, but for the path `./` itself
 * @returns what must stand before the header: an entry with the whole path where the header cannot hold it, else nothing
 */
export function placeName(block: HeaderBlock, path: string): Uint8Array {
  const name = encodeUtf8(path === './' ? path : withoutDot(path))
  if (name.length <= FIELD) {
    block.name = name
    return EMPTY_BYTES
  }
  block.name = leadingComponents(name)
  const original = encodeUtf8(path)
  block.name = encodeUtf8(truncated(original))
  return encodeGnuLong('L', original)
}

/**
 * A symbolic link's target, letter for letter: what a program tidied would no longer be what the object was hashed with.
 * @returns as `placeName`
 */
export function placeTarget(block: HeaderBlock, target: string): Uint8Array {
  const bytes = encodeUtf8(target)
  if (bytes.length <= FIELD) {
    block.linkName = bytes
    return EMPTY_BYTES
  }
  block.linkName = leadingComponents(bytes)
  return encodeGnuLong('K', bytes)
}

function withoutDot(path: string): string {
  return path.startsWith('./') ? path.slice(2) : path
}

/** The components, each with the slash behind it, that fit the field before the first that does not. */
function leadingComponents(path: Uint8Array): Uint8Array {
  const field = new Uint8Array(FIELD)
  let length = 0
  let needsSlash = false
  const put = (bytes: Uint8Array): boolean => {
    if (bytes.length > FIELD - length) return false
    field.set(bytes, length)
    length += bytes.length
    return true
  }
  for (let at = 0; at < path.length; ) {
    const found = path.indexOf(SLASH, at)
    const end = found < 0 ? path.length : found
    const isRoot = at === 0 && end === 0
    const component = isRoot ? path.subarray(0, 1) : path.subarray(at, end)
    at = end + 1
    // The leading dot is a component, all others are not.
    if (component.length === 0 || (at > 2 && component.length === 1 && component[0] === DOT)) continue
    if (needsSlash && !put(SEPARATOR)) break
    if (!put(component)) break
    needsSlash = !isRoot
  }
  return field.subarray(0, length)
}

/** What the first hundred bytes name, cut between two characters. */
function truncated(path: Uint8Array): string {
  let end = FIELD
  while (end > 0 && ((path[end] as number) & 0xc0) === 0x80) end--
  const names = withoutDot(displayUtf8(path.subarray(0, end)))
  return names.endsWith('/.') ? names.slice(0, -2) : names
}
