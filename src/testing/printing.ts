/**
 * How the values of the kit print in counterexamples: trees, layers and archives as `tar tv` lists them, GVariant values
 * in their text form.
 *
 *     d 0755 0:0 .
 *     - 4755 1000:0 5 usr/a "hello" user.a=0x00ff
 *     l 0777 0:0 usr/b -> ../a
 *     h usr/c link to usr/a
 *
 * A line has the type, the octal mode, the owner, the size in bytes of a file, the path, the content and the xattrs.
 */

import fc from 'fast-check'
import { decodeUtf8, EMPTY_BYTES, encodeUtf8, joinPath, toHex } from '../bytes.ts'
import { printVariant, type Variant } from '../gvariant/index.ts'
import type { Commit, Xattrs } from '../objects/index.ts'
import type { TarEntry, TarText } from '../tar/index.ts'
import type { TreeNode } from './nodes.ts'

/** Longer names and contents are cut; characters, or bytes if they are not text. */
const LONGEST_NAME = 60
const LONGEST_CONTENT = 24

/**
 * Makes fast-check print a value with `print`, in counterexamples and in `fc.stringify`. The value is changed in no other
 * way: copies made with `...` and comparisons ignore it.
 */
export function printedAs<T extends object>(value: T, print: (value: T) => string): T {
  return Object.defineProperty(value, fc.toStringMethod, { value: () => print(value), configurable: true })
}

/** Prints bytes: as a JSON string if they are printable UTF-8, else in hexadecimal. Long ones are cut. */
export function printContent(bytes: Uint8Array): string {
  const [first] = bytes
  if (bytes.length > LONGEST_CONTENT && first !== undefined && bytes.every((byte) => byte === first)) {
    return `${bytes.length} x ${printContent(bytes.subarray(0, 1))}`
  }
  const text = decodeUtf8(bytes)
  if (text?.isWellFormed() && !/[^\P{Cc}\t\n\r]/u.test(text)) {
    const characters = [...text]
    if (characters.length <= LONGEST_CONTENT) return JSON.stringify(text)
    return `${JSON.stringify(characters.slice(0, LONGEST_CONTENT).join(''))}…`
  }
  if (bytes.length <= LONGEST_CONTENT) return `0x${toHex(bytes)}`
  return `0x${toHex(bytes.subarray(0, LONGEST_CONTENT))}…`
}

/** Prints a name, as a JSON string unless it has only visible characters. Long ones are cut. */
export function printName(name: TarText): string {
  const text = typeof name === 'string' ? name : decodeUtf8(name)
  if (text === undefined) return printContent(name as Uint8Array)
  const characters = [...text]
  const cut = characters.length > LONGEST_NAME
  const shown = cut ? characters.slice(0, LONGEST_CONTENT).join('') : text
  const plain = /^[\p{L}\p{N}\p{P}\p{S}]+$/u.test(shown) && !/["\\]/.test(shown)
  const printed = plain ? shown : JSON.stringify(shown)
  return cut ? `${printed}…(${encodeUtf8(text).length} bytes)` : printed
}

/** Returns the permission, set-id and sticky bits as four octal digits. */
function octal(mode: number): string {
  return (mode & 0o7777).toString(8).padStart(4, '0')
}

function printXattrs(xattrs: readonly (readonly [name: TarText, value: TarText])[]): string {
  const bytes = (text: TarText) => (typeof text === 'string' ? encodeUtf8(text) : text)
  return xattrs.map(([name, value]) => ` ${printName(name)}=${printContent(bytes(value))}`).join('')
}

/** Fields that an entry has in every form. */
interface Line {
  readonly type: string
  readonly mode: number
  readonly uid: number
  readonly gid: number
  readonly xattrs: Xattrs | NonNullable<TarEntry['xattrs']>
}

function printLine({ type, mode, uid, gid, xattrs }: Line, size: number | undefined, rest: string): string {
  const bytes = size === undefined ? '' : ` ${size}`
  return `${type} ${octal(mode)} ${uid}:${gid}${bytes} ${rest}${printXattrs(xattrs)}`
}

function printNode(node: TreeNode, path: string): string {
  const name = path === '' ? '.' : printName(path)
  switch (node.kind) {
    case 'directory':
      return printLine({ ...node, type: 'd' }, undefined, name)
    case 'symlink':
      return printLine({ ...node, type: 'l' }, undefined, `${name} -> ${printName(node.target)}`)
    case 'file':
      return printLine({ ...node, type: '-' }, node.content.length, `${name} ${printContent(node.content)}`)
  }
}

/** Lists a tree, one line for each entry. Further names of one object are hard links. */
export function printTree(root: TreeNode): string {
  const first = new Map<TreeNode, string>()
  const lines: string[] = []
  const list = (path: string, node: TreeNode): void => {
    const known = first.get(node)
    if (known !== undefined && node.kind !== 'directory') {
      lines.push(`h ${printName(path)} link to ${printName(known)}`)
      return
    }
    first.set(node, path)
    lines.push(printNode(node, path))
    if (node.kind === 'directory') for (const [name, child] of node.children) list(joinPath(path, name), child)
  }
  list('', root)
  return block(lines)
}

const TAR_TYPES: Readonly<Record<string, string>> = {
  file: '-',
  directory: 'd',
  symlink: 'l',
  hardlink: 'h',
  char: 'c',
  block: 'b',
  fifo: 'p',
}

/** Prints an entry of a layer or an archive in one line. */
export function printEntry(entry: TarEntry): string {
  const { path, type = 'file', mode = 0, uid = 0, gid = 0, xattrs = [], linkPath = '', body = EMPTY_BYTES } = entry
  const letter = TAR_TYPES[type] ?? '?'
  const name = printName(path)
  const owner = { type: letter, mode, uid, gid, xattrs }
  if (type === 'hardlink') return `h ${name} link to ${printName(linkPath)}`
  if (type === 'symlink') return printLine(owner, undefined, `${name} -> ${printName(linkPath)}`)
  if (type === 'char' || type === 'block') {
    return printLine(owner, undefined, `${name} ${entry.devMajor ?? 0},${entry.devMinor ?? 0}`)
  }
  if (type !== 'file') return printLine(owner, undefined, name)
  return body instanceof Uint8Array
    ? printLine(owner, body.length, `${name} ${printContent(body)}`)
    : printLine(owner, entry.size, name)
}

/** Lists entries of a layer or an archive, one line for each. */
export function printEntries(entries: readonly TarEntry[]): string {
  return block(entries.map(printEntry))
}

/** Puts several lines below the text that comes before them in a report. */
export function block(lines: readonly string[]): string {
  return lines.length === 1 ? (lines[0] as string) : ['', ...lines].join('\n')
}

/** Prints a GVariant value with the types that do not follow from its text: `{'a': <uint32 5>}`. */
export function printValue(value: Variant): string {
  return `<${printVariant(value, true)}>`
}

/** Prints a commit in up to four lines, as `ostree show` does. The time is in UTC if a calendar can show it. */
export function printCommit({ metadata, parent, subject, body, timestamp, rootTree, rootMeta }: Commit): string {
  const seconds = Number(timestamp)
  const time = seconds < 8.64e12 ? new Date(seconds * 1000).toISOString().replace('.000', '') : `${timestamp} s`
  const pairs = metadata.map(([key, value]) => `${JSON.stringify(key)}: ${printValue(value)}`)
  return block([
    `commit ${time} ${JSON.stringify(subject)}${body === '' ? '' : ` body ${printContent(encodeUtf8(body))}`}`,
    ...(parent === undefined ? [] : [`  parent ${short(parent)}`]),
    `  tree ${short(rootTree)} meta ${short(rootMeta)}`,
    ...(pairs.length === 0 ? [] : [`  metadata {${pairs.join(', ')}}`]),
  ])
}

/** Returns the first 10 digits of a checksum. */
export function short(checksum: string): string {
  return checksum.length > 10 ? `${checksum.slice(0, 10)}…` : checksum
}
