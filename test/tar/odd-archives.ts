/** Archives at the edge of the tar formats, made field by field. */

import { concatBytes, encodeUtf8 } from '../../src/bytes.ts'
import { encodePaxHeader, HeaderBlock, paddingFor } from '../../src/tar/index.ts'

export type Magic = 'v7' | 'ustar' | 'gnu'

interface Fields {
  name?: string
  /** One character. */
  flag?: string
  size?: number
  /** Raw bytes by their offset in the header. They overwrite all other fields. */
  raw?: Readonly<Record<number, string>>
  link?: string
  prefix?: string
  uid?: number
}

export function header(
  magic: Magic,
  { name = 'f', flag = '0', size = 0, raw = {}, link = '', prefix, uid = 0 }: Fields,
): Uint8Array {
  const block = new HeaderBlock(magic === 'gnu' ? 'gnu' : 'ustar')
  if (magic === 'v7') block.bytes.fill(0, 257, 265)
  block.name = encodeUtf8(name)
  block.linkName = encodeUtf8(link)
  block.mode = 0o644
  block.uid = uid
  block.gid = 0
  block.size = size
  if (prefix !== undefined) block.prefix = encodeUtf8(prefix)
  block.bytes[156] = flag.charCodeAt(0)
  for (const [at, text] of Object.entries(raw)) block.bytes.set(Buffer.from(text, 'latin1'), Number(at))
  const sealed = block.seal()
  if (raw[148] !== undefined) sealed.set(Buffer.from(raw[148], 'latin1'), 148)
  return sealed
}

export function padded(text: string): Uint8Array {
  const bytes = encodeUtf8(text)
  return concatBytes([bytes, paddingFor(bytes.length)])
}

export function pax(...records: [key: string, value: string][]): Uint8Array {
  return encodePaxHeader(records.map(([key, value]) => [key, encodeUtf8(value)]))
}

/** Encodes an extension header with any body. */
export function extension(magic: Magic, flag: string, body: string): Uint8Array {
  return concatBytes([header(magic, { name: 'ext', flag, size: Buffer.byteLength(body) }), padded(body)])
}

/** Sets the checksum of a header as old programs did, for which a byte was a number from -128 to 127. */
function signed(block: Uint8Array): Uint8Array {
  block.fill(0x20, 148, 156)
  const sum = new Int8Array(block.buffer).reduce((total, byte) => total + byte, 0)
  block.set(encodeUtf8(`${sum.toString(8).padStart(6, '0')}\0 `), 148)
  return block
}

export const zeros: Uint8Array = new Uint8Array(1024)

export interface OddArchive {
  readonly title: string
  readonly bytes: Uint8Array
  /** Why TarParser reads the archive differently from libarchive. */
  readonly differs?: string
}

/** Makes the archives in one of the three formats. */
export function oddArchives(magic: Magic): OddArchive[] {
  const file = (name: string, body: string, fields: Fields = {}) =>
    concatBytes([header(magic, { name, size: body.length, ...fields }), padded(body)])
  const a = file('a', 'hello')
  const z = file('z', 'Z')
  const link = header(magic, { name: 'l', flag: '1', size: 5, link: 'a' })
  const data = padded('HELLO')
  const note = pax(['comment', 'x'])
  const cases: Record<string, Uint8Array[]> = {
    'a hard link with a size and no data': [a, link, z, zeros],
    'a hard link with a size and no data at the end': [a, link, zeros],
    'a hard link with data': [a, link, data, z, zeros],
    'a hard link with data in an archive that is PAX': [note, a, link, data, z, zeros],
    'a hard link with a size and no data in an archive that is PAX': [note, a, link, z, zeros],
    'a hard link with its own PAX header, and data': [a, note, link, data, z, zeros],
    'a hard link with a PAX size, and data': [a, pax(['size', '5']), link, data, z, zeros],
    'a hard link with data behind a global header': [
      extension('ustar', 'g', '12 comment=x\n'),
      a,
      link,
      data,
      z,
      zeros,
    ],
    'a hard link with data behind a PAX header and a header of this format': [
      note,
      a,
      header('ustar', { name: 'l', flag: '1', size: 5, link: 'a' }),
      data,
      z,
      zeros,
    ],
    'a hard link with a size behind a PAX header and a header of this format': [
      note,
      a,
      header('ustar', { name: 'l', flag: '1', size: 5, link: 'a' }),
      z,
      zeros,
    ],
    'a symlink with a size and no data': [a, header(magic, { name: 'l', flag: '2', size: 5, link: 'a' }), z, zeros],
    'a symlink with a PAX size, and data': [
      pax(['size', '5']),
      header(magic, { flag: '2', link: 'a' }),
      data,
      z,
      zeros,
    ],
    'a directory with a size and no data': [header(magic, { name: 'd', flag: '5', size: 5 }), z, zeros],
    'a directory marked by its slash': [header(magic, { name: 'd/' }), z, zeros],
    'a directory marked by its slash, with a size': [header(magic, { name: 'd/', size: 5 }), z, zeros],
    'type flag NUL': [file('f', 'x', { flag: '\0' }), z, zeros],
    'type flag 7': [file('f', 'x', { flag: '7' }), z, zeros],
    'an unknown type flag': [file('f', 'x', { flag: 'Z' }), z, zeros],
    'a GNU directory with a list of names': [file('d', 'Yname\0', { flag: 'D' }), z, zeros],
    'a volume label': [header(magic, { name: 'label', flag: 'V' }), z, zeros],
    'a GNU long name': [extension(magic, 'L', 'long\0'), a, zeros],
    'a GNU long name without NUL': [extension(magic, 'L', 'long'), a, zeros],
    'a GNU long name with a NUL inside': [extension(magic, 'L', 'lo\0ng\0'), a, zeros],
    'two GNU long names': [extension(magic, 'L', 'one\0'), extension(magic, 'L', 'two\0'), a, zeros],
    'a GNU long name, then a PAX path': [extension(magic, 'L', 'gnu\0'), pax(['path', 'pax']), a, zeros],
    'a PAX path, then a GNU long name': [pax(['path', 'pax']), extension(magic, 'L', 'gnu\0'), a, zeros],
    'a GNU long link, then a PAX link path': [
      extension(magic, 'K', 'gnu'),
      pax(['linkpath', 'pax']),
      header(magic, { flag: '2', link: 'x' }),
      zeros,
    ],
    'a PAX link path, then a GNU long link': [
      pax(['linkpath', 'pax']),
      extension(magic, 'K', 'gnu'),
      header(magic, { flag: '2', link: 'x' }),
      zeros,
    ],
    'two PAX headers': [pax(['path', 'one']), pax(['path', 'two']), a, zeros],
    'a PAX path given twice': [pax(['path', 'one'], ['path', 'two']), a, zeros],
    'a PAX path and then an empty one': [pax(['path', 'one'], ['path', '']), a, zeros],
    'an empty PAX path': [pax(['path', '']), a, zeros],
    'a PAX key with a NUL': [pax(['size\0', '5']), a, zeros],
    'a PAX path with a NUL': [pax(['path', 'b\0c']), a, zeros],
    'an empty PAX uid': [pax(['uid', '']), file('f', 'x', { uid: 7 }), zeros],
    'a PAX uid with something behind': [pax(['uid', '12x']), file('f', 'x', { uid: 7 }), zeros],
    'a PAX uid that is no number': [pax(['uid', 'x']), file('f', 'x', { uid: 7 }), zeros],
    'a PAX mtime with a fraction': [pax(['mtime', '1.5']), a, zeros],
    'a PAX mtime that is no number': [pax(['mtime', 'x']), a, zeros],
    'PAX user and group names': [pax(['uname', 'me'], ['gname', 'us']), a, zeros],
    'a PAX link path': [pax(['linkpath', 'target']), header(magic, { name: 'l', flag: '2', link: 'x' }), zeros],
    'a PAX link path of a file': [pax(['linkpath', 'a']), a, zeros],
    'a PAX header of Solaris': [extension(magic, 'X', '10 path=b\n'), a, zeros],
    'a PAX record without length': [extension(magic, 'x', 'junk\n'), a, zeros],
    'a PAX record without line break': [extension(magic, 'x', '6 a=bc'), a, zeros],
    'a PAX record without equals sign': [extension(magic, 'x', '6 abc\n'), a, zeros],
    'a PAX record longer than its header': [extension(magic, 'x', '99 a=b\n'), a, zeros],
    'a PAX record of length 0': [extension(magic, 'x', '0 a=b\n'), a, zeros],
    'an empty PAX header': [extension(magic, 'x', ''), a, zeros],
    'a malformed global header': [extension(magic, 'g', 'junk\n'), a, zeros],
    'a global header with a path and an owner': [extension('ustar', 'g', '10 path=b\n9 uid=77\n'), a, zeros],
    'a global header between a long name and its entry': [
      extension(magic, 'L', 'long'),
      extension('ustar', 'g', '10 path=b\n'),
      a,
      zeros,
    ],
    'a long name and nothing behind': [a, extension(magic, 'L', 'long\0'), zeros],
    'a PAX header and the end': [a, note, zeros],
    'thirty-one long names': [...Array<Uint8Array>(31).fill(extension(magic, 'L', 'x')), a, zeros],
    'thirty-two long names': [...Array<Uint8Array>(32).fill(extension(magic, 'L', 'x')), a, zeros],
    'thirty-three long names': [...Array<Uint8Array>(33).fill(extension(magic, 'L', 'x')), a, zeros],
    'one block of zeros and more entries': [a, zeros.subarray(0, 512), z, zeros],
    'no blocks of zeros': [a],
    'an incomplete block of zeros': [a, zeros.subarray(0, 100)],
    'anything behind the end': [a, zeros, encodeUtf8('x'.repeat(700))],
    'anything but a header': [a, encodeUtf8('x'.repeat(512)), zeros],
    'half a header': [a, z.subarray(0, 300)],
    'a wrong check sum': [a, header(magic, { name: 'z', raw: { 148: '000000\0 ' } }), zeros],
    'a check sum that is no number': [a, header(magic, { name: 'z', raw: { 148: '00x000\0 ' } }), zeros],
    'an empty name': [header(magic, { name: '', size: 1 }), padded('x'), z, zeros],
    'bytes behind the NUL of the name': [header(magic, { raw: { 0: 'name\0left-over' } }), zeros],
    'a name of 100 bytes': [header(magic, { name: 'n'.repeat(100) }), zeros],
    'a prefix': [header(magic, { name: 'f', prefix: 'some/dir' }), zeros],
    'a prefix with a slash behind': [header(magic, { name: 'f', prefix: 'some/dir/' }), zeros],
    'a link name in a file': [header(magic, { name: 'f', link: 'a' }), zeros],
    'a device, an owner by name': [
      header(magic, { flag: '3', raw: { 265: 'me\0', 297: 'us\0', 329: '0000003\0' + '0000004\0' } }),
      zeros,
    ],
    'a mode with file type bits': [header(magic, { raw: { 100: '0100644\0' } }), zeros],
    'empty number fields': [header(magic, { raw: { 108: '\0'.repeat(16), 136: ' '.repeat(12) } }), zeros],
    'a uid with leading spaces and a space behind': [header(magic, { raw: { 108: '   1750 ' } }), zeros],
    'a uid of all digits': [header(magic, { raw: { 108: '00001750' } }), zeros],
    'a uid in base 256': [header(magic, { uid: 3_000_000_000 }), zeros],
    'a negative mtime in base 256': [header(magic, { raw: { 136: `\xff${'\xff'.repeat(10)}\xfe` } }), zeros],
    'a negative mtime in octal': [a, header(magic, { raw: { 136: '-0000000012\0' } }), zeros],
    'a size with junk behind': [
      a,
      header(magic, { name: 'z', raw: { 124: '1zz\0\0\0\0\0\0\0\0\0' } }),
      padded('Z'),
      zeros,
    ],
    'a negative size': [a, header(magic, { raw: { 124: '-0000000005\0' } }), zeros],
    'a negative size in base 256': [a, header(magic, { raw: { 124: '\xff'.repeat(12) } }), zeros],
    'a size beyond all bounds': [a, header(magic, { raw: { 124: '\x80\xff'.repeat(6) } }), zeros],
    'a negative PAX size': [a, pax(['size', '-1']), header(magic, {}), zeros],
    'a PAX size beyond all bounds': [a, pax(['size', '9'.repeat(30)]), header(magic, {}), zeros],
    'a symlink that is sparse': [pax(['GNU.sparse.size', '5']), header(magic, { flag: '2', link: 'a' }), zeros],
    'a sparse format yet to come': [pax(['GNU.sparse.major', '2'], ['GNU.sparse.minor', '0']), a, zeros],
    'a sparse map with holes': [pax(['GNU.sparse.map', '2,2,8,3'], ['GNU.sparse.size', '11']), a, zeros],
    'a sparse map with a name of its own': [
      pax(['GNU.sparse.map', '0,5'], ['GNU.sparse.size', '5'], ['GNU.sparse.name', 'real']),
      a,
      zeros,
    ],
    'a sparse map in pairs of records': [
      pax(
        ['GNU.sparse.size', '9'],
        ['GNU.sparse.numblocks', '1'],
        ['GNU.sparse.offset', '4'],
        ['GNU.sparse.numbytes', '5'],
      ),
      a,
      zeros,
    ],
    'a sparse map in the body': [
      pax(['GNU.sparse.major', '1'], ['GNU.sparse.minor', '0'], ['GNU.sparse.realsize', '9']),
      header(magic, { size: 517 }),
      padded('1\n4\n5\n'),
      data,
      zeros,
    ],
    'a check sum over signed bytes': [signed(header(magic, { raw: { 400: '\xff\xfe', 10: '\x80' } })), zeros],
    'bytes above 127 in the check sum': [header(magic, { raw: { 400: '\xff\xfe' } }), zeros],
  }
  return Object.entries(cases).map(([title, parts]) => {
    const differs = DIFFERENCES[title]
    return { title: `${title} (${magic})`, bytes: concatBytes(parts), ...(differs === undefined ? {} : { differs }) }
  })
}

const DIFFERENCES: Readonly<Record<string, string>> = {
  'two PAX headers': 'both refuse it, but libarchive with another message, because of a bug in its buffer',
}
