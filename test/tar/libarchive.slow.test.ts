import { createHash } from 'node:crypto'
import { fileURLToPath } from 'node:url'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { toHex } from '../../src/bytes.ts'
import { LimitError, TarFormatError } from '../../src/errors.ts'
import { type TarHeader, TarParser } from '../../src/tar/index.ts'
import { anyTarArchive, anyTarSample } from '../../src/testing/arbitraries/tar.ts'
import { packSamples, xattrsOf } from '../support/read-tar.ts'
import { describeReference, run } from '../support/reference.ts'
import { anyDamage, withDamage } from './damage.ts'
import { oddArchives } from './odd-archives.ts'

interface Entry {
  hardlink: string
  filetype: number
  size: number
  [field: string]: unknown
}

interface Outcome {
  entries: Entry[]
  /** The message of libarchive, which libostree passes on. */
  error: string | null
}

function libarchive(archives: readonly Uint8Array[]): Outcome[] {
  const script = fileURLToPath(new URL('libarchive.py', import.meta.url))
  const input = JSON.stringify(archives.map((bytes) => Buffer.from(bytes).toString('base64')))
  const outcomes = JSON.parse(run('python3', [script], { input: new TextEncoder().encode(input) })) as Outcome[]
  for (const { entries } of outcomes) for (const entry of entries) normalise(entry)
  return outcomes
}

/**
 * Removes what only libarchive has: the size field of an entry without data, and the type of the file of a hard link,
 * which it derives from the size.
 */
function normalise(entry: Entry): void {
  if (entry.hardlink !== '') entry.filetype = 0
  if (entry.filetype === 0o040000) entry.size = 0
}

/** Rounds an entry to what the format can store. */
function rounded(entry: Entry): Entry {
  return {
    ...entry,
    perm: Number(entry['perm']) & 0o7777,
    xattrs: JSON.stringify(entry['xattrs']).replace(/[^ -~]/g, '?'),
    nsec: Math.round(Number(entry['nsec']) / 1000),
  }
}

const FILE_TYPES: Readonly<Record<TarHeader['type'], number>> = {
  file: 0o100000,
  hardlink: 0,
  symlink: 0o120000,
  char: 0o020000,
  block: 0o060000,
  directory: 0o040000,
  fifo: 0o010000,
  // libarchive reads an entry of unknown type as a file.
  unknown: 0o100000,
  'pax-global': 0,
}

/** Reads an archive with TarParser, and describes its entries as libarchive does. */
function ours(bytes: Uint8Array): Outcome {
  const entries: Entry[] = []
  let header: TarHeader | undefined
  let hash = createHash('sha256')
  let length = 0
  const parser = new TarParser({
    entry(next) {
      header = next
      hash = createHash('sha256')
      length = 0
    },
    data(piece) {
      hash.update(piece)
      length += piece.length
    },
    end() {
      if (header === undefined || header.type === 'pax-global') return
      const { type, path, linkPath, userName, groupName, uid, gid, size, mtime, mode } = header
      entries.push({
        pathname: toHex(path),
        hardlink: type === 'hardlink' ? toHex(linkPath) : '',
        symlink: type === 'symlink' ? toHex(linkPath) : '',
        uname: toHex(userName),
        gname: toHex(groupName),
        uid,
        gid,
        size: type === 'directory' ? 0 : size,
        mtime: Math.floor(mtime),
        filetype: FILE_TYPES[type],
        perm: mode,
        nsec: Math.round((mtime - Math.floor(mtime)) * 1e9),
        xattrs: xattrsOf(header)
          .map(([name, value]) => [name, toHex(value)])
          .reverse(),
        rdev: [header.devMajor, header.devMinor],
        sha256: hash.digest('hex'),
        length,
      })
    },
  })
  try {
    parser.push(bytes)
    parser.finish()
  } catch (error) {
    if (error instanceof LimitError && error.data.what === 'tar extension header')
      return { entries, error: 'Special header too large' }
    if (error instanceof TarFormatError) return { entries, error: error.message }
    throw error
  }
  return { entries, error: null }
}

/** Whether a GNU header has bytes in the field for the sparse map although the file is not sparse. */
function hasStrayMap(bytes: Uint8Array): boolean {
  const text = Buffer.from(bytes).toString('latin1')
  for (let at = 0; at < text.length; at += 512) {
    if (text.startsWith('ustar  \0', at + 257) && text[at + 156] !== 'S' && text[at + 386] !== '\0') return true
  }
  return false
}

describeReference(['python3', 'ostree'], 'TarParser and libarchive', () => {
  test('archives at the edge of the formats are read alike', () => {
    const archives = (['v7', 'ustar', 'gnu'] as const).flatMap((magic) => oddArchives(magic))
    const theirs = libarchive(archives.map(({ bytes }) => bytes))
    for (const [i, { title, bytes, differs }] of archives.entries()) {
      if (differs === undefined) expect({ title, ...ours(bytes) }).toEqual({ title, ...theirs[i] })
      else expect(ours(bytes), `${title}: no longer differs`).not.toEqual(theirs[i])
    }
  })

  test('damaged archives are read alike, or refused by both', () => {
    const damaged = anyTarArchive({ text: true })
      .filter(({ bytes }) => bytes.length > 1024)
      // libarchive checks the first header more strictly than the others, to recognise the format. It is not damaged.
      .chain(({ bytes }) => fc.tuple(fc.constant(bytes), anyDamage(bytes, 512), fc.boolean()))
    const archives = fc
      .sample(damaged, { numRuns: 1000 })
      .map(([bytes, damage, sealed]) => withDamage(bytes, damage, sealed))
    const theirs = libarchive(archives)
    const told = ({ entries, error }: Outcome) => ({ entries: entries.map(rounded), failed: error !== null })
    for (const [i, bytes] of archives.entries()) {
      const their = theirs[i] as Outcome
      // A name with half a character: libarchive converts names to the charset of the locale, and TarParser does not.
      if (their.error?.includes("can't be converted")) continue
      // libarchive loses its position in the archive when a file that is not sparse has a sparse map in its header.
      if (their.error === 'Damaged tar archive' && hasStrayMap(bytes)) continue
      expect(told(ours(bytes))).toEqual(told(their))
    }
  })

  test('random archives are read alike', () => {
    const archives = fc.sample(anyTarArchive({ text: true }), { numRuns: 400 })
    const theirs = libarchive(archives.map(({ bytes }) => bytes))
    for (const [i, { bytes }] of archives.entries()) expect(ours(bytes)).toEqual(theirs[i])
  })

  test('libarchive reads the archives of packTar', async () => {
    const samples = fc.sample(fc.array(anyTarSample({ text: true }), { maxLength: 6 }), { numRuns: 200 })
    const archives = await Promise.all(samples.map(packSamples))
    const theirs = libarchive(archives)
    for (const [i, bytes] of archives.entries()) {
      expect(theirs[i]?.error).toBeNull()
      expect(ours(bytes).entries.map(rounded)).toEqual(theirs[i]?.entries.map(rounded))
    }
  })
})
