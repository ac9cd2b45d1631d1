/** Reads archives into lists of entries, and packs lists of entries into archives. */
import { concatBytes } from '../../src/bytes.ts'
import { packTar, type TarEntry, type TarHeader, type TarLimits, TarParser } from '../../src/tar/index.ts'
import { type TarSample, tarEntryOf } from '../../src/testing/arbitraries/tar.ts'

export interface ReadEntry {
  readonly header: TarHeader
  readonly body: Uint8Array
  /** How many `data` calls brought the body. */
  readonly calls: number
}

/**
 * Reads an archive, and checks that the parser makes its calls in the right order.
 * @param pieces the archive, in one piece or several
 */
export function readTar(pieces: Uint8Array | readonly Uint8Array[], limits?: TarLimits): ReadEntry[] {
  const entries: ReadEntry[] = []
  let open: { header: TarHeader; parts: Uint8Array[] } | undefined
  const parser = new TarParser(
    {
      entry(header) {
        if (open !== undefined) throw new Error('an entry before the end of the last')
        open = { header, parts: [] }
      },
      data(bytes) {
        if (open === undefined) throw new Error('data outside of an entry')
        if (bytes.length === 0) throw new Error('a call for no data')
        open.parts.push(bytes.slice())
      },
      end() {
        if (open === undefined) throw new Error('an end without an entry')
        const { header, parts } = open
        const body = concatBytes(parts)
        if (body.length !== header.size) throw new Error(`${body.length} bytes came, ${header.size} were promised`)
        entries.push({ header, body, calls: parts.length })
        open = undefined
      },
    },
    limits,
  )
  for (const piece of pieces instanceof Uint8Array ? [pieces] : pieces) parser.push(piece)
  parser.finish()
  if (open !== undefined) throw new Error('an entry without an end')
  return entries
}

/** Decodes UTF-8. */
export function text(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('utf8')
}

/** Packs entries into an archive. */
export async function packed(entries: Iterable<TarEntry>): Promise<Uint8Array> {
  const parts: Uint8Array[] = []
  for await (const part of packTar(entries)) parts.push(part.slice())
  return concatBytes(parts)
}

/** Packs samples of the testing kit into an archive. */
export async function packSamples(samples: readonly TarSample[]): Promise<Uint8Array> {
  return packed(samples.map(tarEntryOf))
}

/** Returns the extended attributes of an entry, which its `SCHILY.xattr.` records have. */
export function xattrsOf(header: TarHeader): [string, Uint8Array][] {
  return header.pax
    .filter(({ key }) => key.startsWith('SCHILY.xattr.'))
    .map(({ key, value }) => [key.slice('SCHILY.xattr.'.length), value])
}
