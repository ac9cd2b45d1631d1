/**
 * Writes a tree in the text format of composefs, one line a node, which `mkcomposefs --from-file` reads.
 *
 * A line has eleven fields: path, size, mode in octal, links, owner, group, device, time, payload, content, digest;
 * extended attributes follow as `NAME=VALUE`. The payload is the target of a link or the path of a backing file.
 *
 * Source: composefs, man/composefs-dump.md; libcomposefs, tools/composefs-info.c.
 */

import { compareBytes } from '../bytes.ts'
import type { ImageLayout, Inode } from './layout.ts'

const BACKSLASH = 0x5c
const SPACE = 0x20
const DELETE = 0x7f
const EQUALS = 0x3d
const DASH = 0x2d
/** Bytes with a short escape. */
const SHORT: Readonly<Record<number, string>> = { 92: '\\\\', 10: '\\n', 13: '\\r', 9: '\\t' }

/** Yields the lines of an image, each with its newline, depth first in the order of names. Whiteouts are left out. */
export function* dumpImage({ inodes }: ImageLayout): Generator<string, void> {
  const stack: { inode: Inode; path: string }[] = [{ inode: inodes[0] as Inode, path: '/' }]
  for (let next = stack.pop(); next !== undefined; next = stack.pop()) {
    const { inode, path } = next
    yield dumpLine(inode, path)
    const prefix = path === '/' ? '' : path
    for (let i = inode.dirents.length - 1; i >= 0; i--) {
      const { name, inode: child } = inode.dirents[i] as Inode['dirents'][number]
      // `.` and `..` are not below the directory: they are the directory, or in front of it.
      if (child.node === undefined || isDot(name)) continue
      stack.push({ inode: child, path: `${prefix}/${escapeField(name)}` })
    }
  }
}

function isDot(name: Uint8Array): boolean {
  return name[0] === 0x2e && (name.length === 1 || (name.length === 2 && name[1] === 0x2e))
}

function dumpLine({ node, mode, size, nlink, uid, gid }: Inode, path: string): string {
  const isStored = node?.kind === 'file' && node.size > 0
  const payload = node?.kind === 'link' ? optional(node.target) : isStored ? node.backing : '-'
  const digest = isStored ? (node.digest ?? '-') : '-'
  const fields = [path, size, mode.toString(8), nlink, uid, gid, 0, '0.0', payload, '-', digest]
  const xattrs = [...(node?.xattrs ?? [])]
    .sort(([a], [b]) => compareBytes(a, b))
    .map(([name, value]) => `${escapeField(name, EQUALS)}=${escapeField(value)}`)
  return `${[...fields, ...xattrs].join(' ')}\n`
}

/** Escapes a field, of which `-` alone would mean that there is none. */
function optional(bytes: Uint8Array): string {
  return bytes.length === 1 && bytes[0] === DASH ? '\\x2d' : escapeField(bytes)
}

/** Escapes everything but printing ASCII. @param also another byte to escape */
function escapeField(bytes: Uint8Array, also?: number): string {
  let text = ''
  for (const byte of bytes) {
    const short = SHORT[byte]
    if (short !== undefined) text += short
    else if (byte > SPACE && byte < DELETE && byte !== also && byte !== BACKSLASH) text += String.fromCharCode(byte)
    else text += `\\x${byte.toString(16).padStart(2, '0')}`
  }
  return text
}
