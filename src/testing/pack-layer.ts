/**
 * Packs layers for tests. The independent package tar-stream writes the tar when it can represent all entries without
 * loss; otherwise this library's own writer does.
 */
import { pack } from 'tar-stream'
import { concatBytes, decodeUtf8, EMPTY_BYTES, readAll } from '../bytes.ts'
import { packTar, type TarEntry, type TarText } from '../tar/index.ts'

/** Entry types in tar-stream's spelling. */
const TYPES = {
  file: 'file',
  directory: 'directory',
  symlink: 'symlink',
  hardlink: 'link',
  char: 'character-device',
  block: 'block-device',
  fifo: 'fifo',
} as const

const DEFAULT_MODES: Readonly<Record<string, number>> = { directory: 0o755, symlink: 0o777 }
/** tar-stream has six octal digits for ids, and writes 777777 for larger numbers. */
const MAX_ID = 8 ** 6

/**
 * Tests whether tar-stream packs an entry without loss: names and xattr values are UTF-8, the time is in whole seconds,
 * ids and mode fit, and the body is not a stream.
 */
export function isTextEntry(entry: TarEntry): boolean {
  const { path, linkPath = '', userName = '', groupName = '', xattrs = [], body = EMPTY_BYTES } = entry
  const { uid = 0, gid = 0, devMajor = 0, devMinor = 0, mtime = 0 } = entry
  const texts = [path, linkPath, ...xattrs.flat()].map(textOf)
  return (
    texts.every((text) => text !== undefined && !text.includes('\0') && text.isWellFormed()) &&
    textOf(userName) === '' &&
    textOf(groupName) === '' &&
    [uid, gid, devMajor, devMinor].every((number) => number < MAX_ID) &&
    Number.isInteger(mtime) &&
    mtime >= 0 &&
    mtime < 2 ** 31 &&
    modeOf(entry) !== 0 &&
    body instanceof Uint8Array
  )
}

/**
 * Packs a layer into an uncompressed tar: with tar-stream if `isTextEntry` holds for all entries, else with `packTar`.
 */
export async function packLayer(entries: readonly TarEntry[]): Promise<Uint8Array> {
  return entries.every(isTextEntry) ? packText(entries) : readAll(packTar(entries))
}

async function packText(entries: readonly TarEntry[]): Promise<Uint8Array> {
  const packer = pack()
  for (const entry of entries) {
    const { path, type = 'file', linkPath = '', uid = 0, gid = 0, mtime = 0, xattrs = [], body } = entry
    const header = {
      name: textOf(path) ?? '',
      type: TYPES[type],
      mode: modeOf(entry),
      uid,
      gid,
      mtime: new Date(mtime * 1000),
      devmajor: entry.devMajor ?? 0,
      devminor: entry.devMinor ?? 0,
      ...(linkPath.length > 0 && { linkname: textOf(linkPath) ?? '' }),
      ...(xattrs.length > 0 && {
        pax: Object.fromEntries(xattrs.map(([name, value]) => [`SCHILY.xattr.${textOf(name)}`, textOf(value)])),
      }),
    }
    packer.entry(header, Buffer.from(body instanceof Uint8Array ? body : EMPTY_BYTES))
  }
  packer.finalize()
  const parts: Uint8Array[] = []
  for await (const part of packer as AsyncIterable<Buffer>) parts.push(new Uint8Array(part))
  return concatBytes(parts)
}

function modeOf({ type = 'file', mode = DEFAULT_MODES[type] ?? 0o644 }: TarEntry): number {
  return mode & 0o7777
}

function textOf(text: TarText): string | undefined {
  return typeof text === 'string' ? text : decodeUtf8(text)
}
