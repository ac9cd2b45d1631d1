/**
 * Archives in which one header contradicts another, so that readers that weigh them differently see different entries. Most
 * hide the header of a file `hidden` in the data of another one.
 */
import { concatBytes } from '../../src/bytes.ts'
import { extension, header, padded, pax, zeros } from './odd-archives.ts'

/** One archive. */
export interface Smuggled {
  readonly title: string
  readonly bytes: Uint8Array
  /**
   * The entries that `TarParser`, GNU tar 1.34, libarchive 3.6 and Python 3.11 read, `NAME TYPE SIZE` each, as the functions
   * of smuggling-readers.ts list them.
   */
  readonly read: Readonly<Record<'ours' | 'gnu' | 'libarchive' | 'python', string>>
}

/** A complete archive that is the data of a file, or its successor if that has no data: 1024 bytes. */
const HIDDEN = concatBytes([header('ustar', { name: 'hidden', size: 3 }), padded('bad')])
const SIZE = String(HIDDEN.length)
const AFTER = concatBytes([header('ustar', { name: 'after', size: 1 }), padded('z'), zeros])
const global = (record: string): Uint8Array => extension('ustar', 'g', record)
/** Encodes one record. */
function record(key: string, value: string): string {
  const rest = ` ${key}=${value}\n`
  let length = rest.length + 1
  while (`${length}${rest}`.length !== length) length++
  return `${length}${rest}`
}
const file = (fields: Parameters<typeof header>[1] = {}): Uint8Array => header('ustar', { name: 'f', ...fields })
const gnuFile = (fields: Parameters<typeof header>[1] = {}): Uint8Array => header('gnu', { name: 'f', ...fields })
/** An old sparse map with one piece, which has no data. */
const NO_DATA = `${'0'.repeat(11)}\0`.repeat(2)
const longName = extension('gnu', 'L', 'long\0')
const longLink = extension('gnu', 'K', 'target\0')

interface Case {
  readonly parts: readonly Uint8Array[]
  /** What `TarParser` reads. */
  readonly ours: string
  /** What other readers make of it, where that differs. */
  readonly gnu?: string
  readonly libarchive?: string
  readonly python?: string
}

const CASES: Readonly<Record<string, Case>> = {
  'a PAX size over a size of 0': { parts: [pax(['size', SIZE]), file(), HIDDEN], ours: 'f f 1024, after f 1' },
  'a PAX size of 0 over a size': {
    parts: [pax(['size', '0']), file({ size: HIDDEN.length }), HIDDEN],
    ours: 'f f 0, hidden f 3, after f 1',
  },
  'a PAX size, then a GNU long name': {
    parts: [pax(['size', SIZE]), longName, gnuFile(), HIDDEN],
    ours: 'long f 1024, after f 1',
  },
  'a GNU long name, then a PAX size': {
    parts: [longName, pax(['size', SIZE]), gnuFile(), HIDDEN],
    ours: 'long f 1024, after f 1',
  },
  'a PAX size, then a GNU long link, of a symbolic link': {
    parts: [pax(['size', SIZE]), longLink, gnuFile({ flag: '2', link: 'x' }), HIDDEN],
    ours: 'f l 0 -> target, after f 1',
    python: 'f l 0 -> target, hidden f 3, after f 1',
  },
  'a PAX size between two GNU long names': {
    parts: [longName, pax(['size', SIZE]), extension('gnu', 'L', 'other\0'), gnuFile(), HIDDEN],
    ours: 'other f 1024, after f 1',
    python: 'long f 1024, after f 1',
  },
  'a PAX size of 0 before a GNU long name, whose own size counts': {
    parts: [pax(['size', '0']), longName, gnuFile({ size: 1024 }), HIDDEN],
    ours: 'long f 0, hidden f 3, after f 1',
  },
  'a PAX size given twice': {
    parts: [pax(['size', '0'], ['size', SIZE]), file(), HIDDEN],
    ours: 'f f 1024, after f 1',
  },
  'a PAX size that is empty': {
    parts: [pax(['size', '']), file({ size: HIDDEN.length }), HIDDEN],
    ours: 'f f 0, hidden f 3, after f 1',
    gnu: 'f f 1024, after f 1, !',
  },
  'a PAX size with a space before': {
    parts: [pax(['size', ` ${SIZE}`]), file(), HIDDEN],
    ours: 'f f 1024, after f 1',
    gnu: 'f f 0, hidden f 3, after f 1, !',
  },
  'a PAX size with a plus sign': {
    parts: [pax(['size', `+${SIZE}`]), file(), HIDDEN],
    ours: 'f f 0, hidden f 3, after f 1',
    gnu: 'f f 0, hidden f 3, after f 1, !',
    python: 'f f 1024, after f 1',
  },
  'a PAX size in hexadecimal': {
    parts: [pax(['size', '0x400']), file(), HIDDEN],
    ours: 'f f 0, hidden f 3, after f 1',
    gnu: 'f f 0, hidden f 3, after f 1, !',
  },
  'a PAX size with text behind': {
    parts: [pax(['size', `${SIZE}x`]), file(), HIDDEN],
    ours: 'f f 1024, after f 1',
    gnu: 'f f 0, hidden f 3, after f 1, !',
    python: 'f f 0, hidden f 3, after f 1',
  },
  'a PAX size with a NUL behind': {
    parts: [pax(['size', `${SIZE}\0`]), file(), HIDDEN],
    ours: 'f f 1024, after f 1',
    python: 'f f 0, hidden f 3, after f 1',
  },
  'a PAX size that is negative': {
    parts: [pax(['size', '-1024']), file(), HIDDEN],
    ours: '!',
    gnu: 'f f 0, hidden f 3, after f 1, !',
    python: 'f f -1024',
  },
  'a PAX size beyond 64 bits': {
    parts: [pax(['size', '18446744073709552640']), file(), HIDDEN],
    ours: '!',
    gnu: 'f f 0, hidden f 3, after f 1, !',
    python: 'f f 18446744073709552640, !',
  },
  'a global size over a size of 0': {
    parts: [global(record('size', SIZE)), file(), HIDDEN],
    ours: 'f f 0, hidden f 3, after f 1',
    gnu: 'f f 1024, after f 1024',
    python: 'f f 1024, hidden f 1024, after f 1024',
  },
  'a global size of 0 over a size': {
    parts: [global(record('size', '0')), file({ size: HIDDEN.length }), HIDDEN],
    ours: 'f f 1024, after f 1',
    gnu: 'f f 0, hidden f 0, after f 0, !',
    python: 'f f 0, after f 0',
  },
  'a global size over a PAX size': {
    parts: [global(record('size', '0')), pax(['size', SIZE]), file(), HIDDEN],
    ours: 'f f 1024, after f 1',
    gnu: 'f f 1024, after f 0, !',
    python: 'f f 1024, after f 0',
  },
  'a PAX size, a global header, then the file': {
    parts: [pax(['size', SIZE]), global(record('comment', 'x')), file(), HIDDEN],
    ours: 'f f 1024, after f 1',
  },
  'a global path': {
    parts: [global(record('path', 'other')), file({ size: HIDDEN.length }), HIDDEN],
    ours: 'f f 1024, after f 1',
    gnu: 'other f 1024, other f 1',
    python: 'other f 1024, other f 1',
  },
  'a global link path of a symbolic link': {
    parts: [global(record('linkpath', 'other')), file({ flag: '2', link: 'x' })],
    ours: 'f l 0 -> x, after f 1',
    gnu: 'f l 0 -> other, after f 1',
    python: 'f l 0 -> other, after f 1',
  },
  'a PAX header whose size another PAX header gives': {
    parts: [pax(['size', '0']), pax(['path', 'x'.repeat(20)]), file({ size: HIDDEN.length }), HIDDEN],
    ours: '!',
    gnu: 'xxxxxxxxxxxxxxxxxxxx f 1024, after f 1',
    python: 'xxxxxxxxxxxxxxxxxxxx f 0, hidden f 3, after f 1',
  },
  'a PAX path, then a GNU long name': {
    parts: [pax(['path', 'pax']), longName, gnuFile()],
    ours: 'pax f 0, after f 1',
  },
  'a GNU long name, then a PAX path': {
    parts: [longName, pax(['path', 'pax']), gnuFile()],
    ours: 'long f 0, after f 1',
    gnu: 'pax f 0, after f 1',
  },
  'a PAX link path, then a GNU long link': {
    parts: [pax(['linkpath', 'pax']), longLink, gnuFile({ flag: '2', link: 'x' })],
    ours: 'f l 0 -> pax, after f 1',
  },
  'a GNU long link, then a PAX link path': {
    parts: [longLink, pax(['linkpath', 'pax']), gnuFile({ flag: '2', link: 'x' })],
    ours: 'f l 0 -> target, after f 1',
    gnu: 'f l 0 -> pax, after f 1',
  },
  'a GNU long link of a symbolic link without a target': {
    parts: [longLink, gnuFile({ flag: '2' })],
    ours: 'f l 0 -> target, after f 1',
    libarchive: 'f l 0 -> , after f 1',
  },
  'a size in base 256 that is negative': {
    parts: [file({ raw: { 124: `\xff${'\xff'.repeat(9)}\xfc\x00` } }), HIDDEN],
    ours: '!',
    gnu: 'hidden f 3, after f 1, !',
    python: 'f f -1024, !',
  },
  'a size in base 256 beyond 64 bits': {
    parts: [file({ raw: { 124: `\x80\x01${'\0'.repeat(8)}\x04\0` } }), HIDDEN],
    ours: '!',
    gnu: 'hidden f 3, after f 1, !',
    python: 'f f 1208925819614629174707200, !',
  },
  'a size in base 256': {
    parts: [file({ raw: { 124: `\x80${'\0'.repeat(9)}\x04\0` } }), HIDDEN],
    ours: 'f f 1024, after f 1',
  },
  'a size with a minus sign': {
    parts: [file({ raw: { 124: '-0000002000\0' } }), HIDDEN],
    ours: '!',
    gnu: 'hidden f 3, after f 1, !',
    python: 'f f -1024, !',
  },
  'a size with a digit that is not octal': {
    parts: [file({ raw: { 124: '00000002000' } }), HIDDEN],
    ours: 'f f 1024, after f 1',
  },
  'a size that an 8 ends': {
    parts: [header('ustar', { name: 'first' }), file({ raw: { 124: '20008\0\0\0\0\0\0\0' } }), HIDDEN],
    ours: 'first f 0, f f 1024, after f 1',
    gnu: 'first f 0, hidden f 3, after f 1, !',
    python: 'first f 0',
  },
  'a hard link with a size': {
    parts: [file(), header('ustar', { name: 'l', flag: '1', link: 'f', size: 1024 }), HIDDEN],
    ours: 'f f 0, l h 0 -> f, hidden f 3, after f 1',
  },
  'a hard link with a PAX size': {
    parts: [file(), pax(['size', SIZE]), header('ustar', { name: 'l', flag: '1', link: 'f' }), HIDDEN],
    ours: 'f f 0, l h 0 -> f, after f 1',
    python: 'f f 0, l h 0 -> f, hidden f 3, after f 1',
  },
  'a hard link with a size behind any PAX header': {
    parts: [pax(['comment', 'x']), file(), header('ustar', { name: 'l', flag: '1', link: 'f', size: 1024 }), HIDDEN],
    ours: 'f f 0, l h 0 -> f, after f 1',
    gnu: 'f f 0, l h 0 -> f, hidden f 3, after f 1',
    python: 'f f 0, l h 0 -> f, hidden f 3, after f 1',
  },
  'a symbolic link with a size': {
    parts: [header('ustar', { name: 'l', flag: '2', link: 'f', size: 1024 }), HIDDEN],
    ours: 'l l 0 -> f, hidden f 3, after f 1',
    gnu: 'l l 0 -> f, after f 1',
  },
  'a symbolic link with a PAX size': {
    parts: [pax(['size', SIZE]), header('ustar', { name: 'l', flag: '2', link: 'f' }), HIDDEN],
    ours: 'l l 0 -> f, after f 1',
    python: 'l l 0 -> f, hidden f 3, after f 1',
  },
  'a directory with a size': {
    parts: [header('ustar', { name: 'd/', flag: '5', size: 1024 }), HIDDEN],
    ours: 'd d 0, hidden f 3, after f 1',
  },
  'a directory with a PAX size': {
    parts: [pax(['size', SIZE]), header('ustar', { name: 'd/', flag: '5' }), HIDDEN],
    ours: 'd d 0, after f 1',
    gnu: 'd d 0, hidden f 3, after f 1',
    python: 'd d 0, hidden f 3, after f 1',
  },
  'a file with a slash behind its name and a size': {
    parts: [header('ustar', { name: 'd/', size: 1024 }), HIDDEN],
    ours: 'd d 0, hidden f 3, after f 1',
    gnu: 'd d 0, after f 1',
    python: 'd f 1024, after f 1',
  },
  'a file with a slash behind its PAX path and a size': {
    parts: [pax(['path', 'd/']), file({ size: 1024 }), HIDDEN],
    ours: 'd d 0, hidden f 3, after f 1',
    gnu: 'd d 0, after f 1',
    python: 'd f 1024, after f 1',
  },
  'a device with a size': {
    parts: [header('ustar', { name: 'c', flag: '3', size: 1024 }), HIDDEN],
    ours: 'c ? 0, hidden f 3, after f 1',
    gnu: 'c ? 0, after f 1',
    python: 'c ? 1024, hidden f 3, after f 1',
  },
  'a fifo with a PAX size': {
    parts: [pax(['size', SIZE]), header('ustar', { name: 'p', flag: '6' }), HIDDEN],
    ours: 'p ? 1024, after f 1',
    python: 'p ? 1024, hidden f 3, after f 1',
  },
  'an unknown type with a size': {
    parts: [header('ustar', { name: 'u', flag: 'Z', size: 1024 }), HIDDEN],
    ours: 'u f 1024, after f 1',
    gnu: "u unknown file type 'Z' ? 1024, after f 1",
    python: 'u ? 1024, after f 1',
  },
  'a sparse size beside a PAX size': {
    parts: [
      pax(
        ['GNU.sparse.major', '1'],
        ['GNU.sparse.minor', '0'],
        ['GNU.sparse.name', 's'],
        ['GNU.sparse.realsize', '3'],
        ['size', '1536'],
      ),
      file(),
      padded('1\n0\n3\n'),
      HIDDEN,
    ],
    ours: '!',
    gnu: 's f 3, after f 1',
    libarchive: 's f 3, !',
    python: 's f 1536',
  },
  'a sparse size of 1.0, larger than its data': {
    parts: [
      pax(
        ['GNU.sparse.major', '1'],
        ['GNU.sparse.minor', '0'],
        ['GNU.sparse.name', 's'],
        ['GNU.sparse.realsize', '2048'],
      ),
      file({ size: 1536 }),
      padded('1\n0\n1024\n'),
      HIDDEN,
    ],
    ours: 's f 2048, after f 1',
  },
  'a sparse size of 1.0, smaller than its data': {
    parts: [
      pax(['GNU.sparse.major', '1'], ['GNU.sparse.minor', '0'], ['GNU.sparse.name', 's'], ['GNU.sparse.realsize', '5']),
      file({ size: 1536 }),
      padded('1\n0\n1024\n'),
      HIDDEN,
    ],
    ours: '!',
    gnu: 's f 5, after f 1',
    python: 's f 5, after f 1',
  },
  'a sparse map in records and a format that has it in the data': {
    parts: [
      pax(
        ['GNU.sparse.major', '1'],
        ['GNU.sparse.minor', '0'],
        ['GNU.sparse.map', '0,1024'],
        ['GNU.sparse.realsize', '1024'],
      ),
      file({ size: 1024 }),
      HIDDEN,
    ],
    ours: '!',
    gnu: 'f f 1024, after f 1, !',
    python: 'f f 1024, after f 1',
  },
  'a sparse size of 0.1 beside a real size': {
    parts: [
      pax(['GNU.sparse.map', '0,1024'], ['GNU.sparse.size', '1024'], ['GNU.sparse.realsize', '5']),
      file({ size: 1024 }),
      HIDDEN,
    ],
    ours: '!',
    gnu: 'f f 5, after f 1, !',
    python: 'f f 5, after f 1',
  },
  'a sparse name beside a PAX path': {
    parts: [
      pax(['GNU.sparse.map', '0,1024'], ['GNU.sparse.size', '1024'], ['GNU.sparse.name', 'sparse'], ['path', 'pax']),
      file({ size: 1024 }),
      HIDDEN,
    ],
    ours: 'sparse f 1024, after f 1',
    gnu: 'sparse f 1024, after f 1, !',
    python: 'pax f 1024, after f 1',
  },
  'a sparse map of 1.0 that leaves data over': {
    parts: [
      pax(['GNU.sparse.major', '1'], ['GNU.sparse.minor', '0'], ['GNU.sparse.name', 's'], ['GNU.sparse.realsize', '0']),
      file({ size: 1536 }),
      padded('1\n0\n0\n'),
      HIDDEN,
    ],
    ours: '!',
    gnu: 's f 0, after f 1',
    libarchive: 's f 0, hidden f 3, after f 1',
    python: 's f 0, after f 1',
  },
  'a sparse map of 0.1 that leaves data over': {
    parts: [pax(['GNU.sparse.map', '0,0'], ['GNU.sparse.size', '0']), file({ size: 1024 }), HIDDEN],
    ours: '!',
    gnu: 'f f 0, hidden f 3, after f 1, !',
    libarchive: 'f f 0, hidden f 3, after f 1',
    python: 'f f 0, after f 1',
  },
  'an old sparse map that leaves data over': {
    parts: [
      header('gnu', {
        name: 's',
        flag: 'S',
        size: 1024,
        raw: { 386: NO_DATA, 483: '0'.repeat(11) },
      }),
      HIDDEN,
    ],
    ours: '!',
    gnu: 's f 0, after f 1',
    libarchive: 's f 0, hidden f 3, after f 1',
    python: 's f 0, after f 1',
  },
  'a sparse map in the header of a file that is not sparse': {
    parts: [gnuFile({ size: 1024, raw: { 386: NO_DATA, 483: '0'.repeat(11) } }), HIDDEN],
    ours: 'f f 1024, after f 1',
    libarchive: 'f f 0, hidden f 3, after f 1',
  },
  'an old sparse file with a PAX size': {
    parts: [
      pax(['size', SIZE]),
      header('gnu', { name: 's', flag: 'S', raw: { 386: '00000000000\0' + '00000002000\0', 483: '00000002000\0' } }),
      HIDDEN,
    ],
    ours: 's f 1024, after f 1',
  },
  'names in a charset that hdrcharset calls binary': {
    parts: [pax(['hdrcharset', 'BINARY'], ['path', 'b\u00fcn']), file()],
    ours: 'bÃ¼n f 0, after f 1',
    python: 'bün f 0, after f 1',
  },
  'names in a charset that does not exist': {
    parts: [pax(['hdrcharset', 'no such'], ['path', 'n']), file()],
    ours: 'n f 0, after f 1',
  },
  'a prefix in a header of GNU': {
    parts: [header('gnu', { name: 'f', prefix: 'dir' })],
    ours: 'f f 0, after f 1',
    python: 'dir/f f 0, after f 1',
  },
  'a PAX header and a file of v7': {
    parts: [pax(['size', SIZE]), header('v7', { name: 'f' }), HIDDEN],
    ours: 'f f 1024, after f 1',
  },
  'a volume label with a size': {
    parts: [header('gnu', { name: 'label', flag: 'V', size: 1024 }), HIDDEN],
    ours: 'after f 1',
    gnu: 'label--Volume Header-- ? 1024, after f 1',
    libarchive: 'hidden f 3, after f 1',
    python: 'label ? 1024, after f 1',
  },
  'a GNU directory list with a size': {
    parts: [header('gnu', { name: 'd', flag: 'D', size: 1024 }), HIDDEN],
    ours: 'd d 0, after f 1',
    python: 'd ? 1024, after f 1',
  },
  'a continuation of another volume': {
    parts: [header('gnu', { name: 'm', flag: 'M', size: 1024 }), HIDDEN],
    ours: 'm f 1024, after f 1',
    gnu: 'm--Continued at byte 0-- ? 1024, after f 1',
    libarchive: 'm ? 1024, after f 1',
    python: 'm ? 1024, after f 1',
  },
}

export const SMUGGLED: readonly Smuggled[] = Object.entries(CASES).map(([title, { parts, ours, ...others }]) => ({
  title,
  bytes: concatBytes([...parts, AFTER]),
  read: { ours, gnu: ours, libarchive: ours, python: ours, ...others },
}))
