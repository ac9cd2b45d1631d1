/**
 * Writes names into GNU tar headers byte for byte as the tar library of ostree-ext does. Layers are named by the hash of
 * their bytes, so bytes that readers ignore count too: a name that does not fit leaves those of its components that do,
 * and a name that is written over a longer one leaves the end of it.
 *
 * Source: tar-rs, builder.rs (prepare_header_path, prepare_header_link) and header.rs (copy_path_into, copy_into).
 */

import { displayUtf8, EMPTY_BYTES, encodeUtf8 } from '../../bytes.ts'
import { encodeGnuLong, type HeaderBlock } from '../../tar/index.ts'

/** Bytes of the fields for name and link name. */
const FIELD = 100
const SLASH = 0x2f
const DOT = 0x2e
const SEPARATOR = Uint8Array.of(SLASH)

/**
 * Writes the path of an entry into its header.
 * @param path relative, without `.` and `..`; a leading `./` is dropped, unless it is the whole path
 * @returns the bytes that must precede the header: an entry with the whole path if the header cannot hold it, else none
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
 * Writes the target of a symbolic link, unchanged, because the checksum of its object depends on it.
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

/** Returns the components, each with its slash, that fit into the field before the first one that does not. */
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
    // A dot is a component only at the beginning.
    if (component.length === 0 || (at > 2 && component.length === 1 && component[0] === DOT)) continue
    if (needsSlash && !put(SEPARATOR)) break
    if (!put(component)) break
    needsSlash = !isRoot
  }
  return field.subarray(0, length)
}

/** Returns the first hundred bytes of a name, without a character that would be cut. */
function truncated(path: Uint8Array): string {
  let end = FIELD
  while (end > 0 && ((path[end] as number) & 0xc0) === 0x80) end--
  const names = withoutDot(displayUtf8(path.subarray(0, end)))
  return names.endsWith('/.') ? names.slice(0, -2) : names
}
