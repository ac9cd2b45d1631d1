import { Readable } from 'node:stream'
import { buffer } from 'node:stream/consumers'
import fc from 'fast-check'
import { extract, type Header, pack } from 'tar-stream'
import { describe, expect, test } from 'vitest'
import { encodeUtf8 } from '../../src/bytes.ts'
import { anyTarArchive, anyTarSample, type TarSample } from '../../src/testing/arbitraries/tar.ts'
import { packSamples, readTar, text, xattrsOf } from '../support/read-tar.ts'

/** The parts of an entry that both libraries read. tar-stream does not read owners and times of PAX records. */
interface Common {
  type: string
  name: string
  link: string
  mode: number
  body: string
  xattrs: Record<string, string>
}

const TYPES: Readonly<Record<string, string>> = {
  file: 'file',
  directory: 'directory',
  symlink: 'symlink',
  link: 'hardlink',
  'character-device': 'char',
  'block-device': 'block',
  fifo: 'fifo',
}

/** Returns a field that the type declarations of tar-stream lack. */
function paxOf(header: Header): Record<string, string> {
  return 'pax' in header && header.pax !== null ? (header.pax as Record<string, string>) : {}
}

async function theirs(bytes: Uint8Array): Promise<Common[]> {
  const entries: Common[] = []
  const reader = extract()
  reader.on('entry', (header: Header, stream, next) => {
    const parts: Buffer[] = []
    stream.on('data', (part) => void parts.push(part as Buffer))
    stream.on('end', () => {
      const xattrs = Object.entries(paxOf(header)).filter(([key]) => key.startsWith('SCHILY.xattr.'))
      entries.push({
        type: TYPES[header.type ?? ''] ?? String(header.type),
        name: header.name,
        link: header.linkname ?? '',
        mode: header.mode ?? 0,
        body: Buffer.concat(parts).toString('hex'),
        xattrs: Object.fromEntries(xattrs.map(([key, value]) => [key.slice(13), value])),
      })
      next()
    })
  })
  await new Promise<void>((resolve, reject) => {
    reader.on('finish', resolve)
    reader.on('error', reject)
    Readable.from([Buffer.from(bytes)]).pipe(reader)
  })
  return entries
}

function ours(bytes: Uint8Array): Common[] {
  return readTar(bytes)
    .filter(({ header }) => header.type !== 'pax-global')
    .map(({ header, body }) => ({
      type: header.type,
      name: text(header.path),
      link: text(header.linkPath),
      mode: header.mode,
      body: Buffer.from(body).toString('hex'),
      xattrs: Object.fromEntries(xattrsOf(header).map(([name, value]) => [name, text(value)])),
    }))
}

describe('TarParser, packTar and tar-stream', () => {
  test('tar-stream reads the archives of packTar', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(anyTarSample({ text: true }), { maxLength: 5 }), async (samples) => {
        const bytes = await packSamples(samples)
        expect(await theirs(bytes)).toEqual(ours(bytes))
      }),
      { numRuns: 100 },
    )
  })

  test('archives of any format are read alike', async () => {
    // tar-stream applies a global header to the entries after it, which TarParser does not.
    const archives = anyTarArchive({ text: true }).filter(({ bytes }) => !text(bytes).includes('pax_global_header'))
    await fc.assert(
      fc.asyncProperty(archives, async ({ bytes }) => {
        expect(await theirs(bytes)).toEqual(ours(bytes))
      }),
      { numRuns: 100 },
    )
  })

  test('TarParser reads the archives of tar-stream', async () => {
    const samples = fc.array(anyTarSample({ text: true, types: ['file', 'directory', 'symlink'] }), { maxLength: 5 })
    await fc.assert(
      fc.asyncProperty(samples, async (samples) => {
        const bytes = await packedByThem(samples)
        // tar-stream adds a slash to the name of a directory where there is room for it.
        const found = ours(bytes).map((entry) => ({ ...entry, name: entry.name.replace(/\/$/, '') }))
        expect(found).toEqual(
          samples.map((sample) => ({
            type: sample.type,
            name: text(sample.path),
            link: text(sample.linkPath),
            mode: sample.mode || 0o600,
            body: Buffer.from(sample.body).toString('hex'),
            xattrs: Object.fromEntries(sample.xattrs.map(([name, value]) => [name, text(value)])),
          })),
        )
      }),
      { numRuns: 100 },
    )
  })
})

async function packedByThem(samples: readonly TarSample[]): Promise<Uint8Array> {
  const writer = pack()
  for (const { type, path, linkPath, mode, uid, gid, mtime, xattrs, body } of samples) {
    const header = {
      name: text(path),
      type: type as 'file' | 'directory' | 'symlink',
      // tar-stream replaces the mode 0 by a default.
      mode: mode || 0o600,
      uid: uid % 0o10000000,
      gid: gid % 0o10000000,
      mtime: new Date(Math.abs(Math.floor(mtime)) * 1000),
      ...(linkPath.length > 0 ? { linkname: text(linkPath) } : {}),
      ...(xattrs.length > 0
        ? { pax: Object.fromEntries(xattrs.map(([name, value]) => [`SCHILY.xattr.${name}`, text(value)])) }
        : {}),
    }
    writer.entry(header, Buffer.from(type === 'file' ? body : encodeUtf8('')))
  }
  writer.finalize()
  return new Uint8Array(await buffer(writer))
}
