import { createHash } from 'node:crypto'
import { readdirSync } from 'node:fs'
import { gunzipSync } from 'node:zlib'
import { describe, expect, test } from 'vitest'
import { concatBytes, encodeUtf8, toHex } from '../../src/bytes.ts'
import {
  END_OF_ARCHIVE,
  encodeGnuLong,
  encodePaxHeader,
  encodePaxRecord,
  HeaderBlock,
  paddingFor,
} from '../../src/tar/index.ts'
import { goldenBytes, goldenJson, goldenPath } from '../support/golden.ts'
import { type ReadEntry, readTar, text } from '../support/read-tar.ts'
import { describeReference, run } from '../support/reference.ts'

interface ExportList {
  tar_sha256: string
  total_entries: number
  entries: {
    path: string
    type: string
    mode: string
    uid: number
    gid: number
    size: number
    mtime: number
    link?: string
    pax?: string
    gnu_longname?: boolean
    data_hex?: string
  }[]
}

const exported = goldenJson<ExportList>('container/exampleos-export.json')
const archive = new Uint8Array(gunzipSync(goldenBytes('container/exampleos-export.tar.gz')))

function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex')
}

/** Formats the PAX records of an entry as they are in the archive. */
function recordText({ header }: ReadEntry): string {
  return header.pax.map(({ key, value }) => text(encodePaxRecord(key, value))).join('')
}

describe('an encapsulated commit', () => {
  const entries = readTar(archive)

  test('its entries are those of the list that the real program made', () => {
    expect(sha256(archive)).toBe(exported.tar_sha256)
    expect(entries.length).toBe(exported.total_entries)
    const listed = entries
      .filter(({ header }) => !/\/objects\/[0-9a-f]{2}$/.test(text(header.path)))
      .map((entry) => ({
        path: text(entry.header.path),
        type: String.fromCharCode(entry.header.typeflag),
        mode: entry.header.mode.toString(8),
        uid: entry.header.uid,
        gid: entry.header.gid,
        size: entry.header.size,
        mtime: entry.header.mtime,
        link: text(entry.header.linkPath),
        pax: recordText(entry),
        data: toHex(entry.body),
      }))
    expect(listed).toEqual(
      exported.entries.map(({ link = '', pax = '', data_hex, gnu_longname: _, ...entry }, i) => ({
        ...entry,
        link,
        pax,
        data: data_hex ?? listed[i]?.data,
      })),
    )
  })

  test('HeaderBlock writes it again byte for byte, with the bytes that are left over from earlier headers', () => {
    const parts: Uint8Array[] = []
    let content: HeaderBlock | undefined
    for (const { header, body } of entries) {
      // A link to an object that is new in this stream is written over the header of the object, except for empty files.
      const reused: HeaderBlock | undefined = text(header.path).includes('/objects/') ? undefined : content
      const block: HeaderBlock = reused ?? new HeaderBlock('gnu')
      if (header.pax.length > 0) parts.push(encodePaxHeader(header.pax.map(({ key, value }) => [key, value])))
      if (header.path.length > 100) parts.push(encodeGnuLong('L', header.path))
      block.type = header.type === 'unknown' ? 'file' : header.type
      block.name = header.path.subarray(0, 100)
      if (header.linkPath.length > 0) block.linkName = header.linkPath
      block.mode = header.mode
      block.uid = header.uid
      block.gid = header.gid
      block.size = body.length
      block.mtime = header.mtime
      parts.push(block.seal(), body, paddingFor(body.length))
      content = text(header.path).endsWith('.file') ? block : undefined
    }
    parts.push(END_OF_ARCHIVE)
    const written = concatBytes(parts)
    const difference = written.findIndex((byte, i) => byte !== archive[i])
    expect({ difference, length: written.length }).toEqual({ difference: -1, length: archive.length })
    expect(sha256(written)).toBe(exported.tar_sha256)
  })
})

const layers = ['layers', 'layers2'].flatMap((folder) =>
  readdirSync(goldenPath(`container/${folder}`)).map((name) => `container/${folder}/${name}`),
)

describeReference('python3', 'layers that other programs wrote', () => {
  const script = [
    'import sys, json, tarfile, hashlib',
    'def entries(t):',
    '  for m in t:',
    '    body = t.extractfile(m).read() if m.isreg() else b""',
    '    yield [m.type.decode(), m.name, m.linkname, m.mode, m.uid, m.gid, int(m.mtime), len(body), hashlib.sha256(body).hexdigest()]',
    'print(json.dumps([list(entries(tarfile.open(name, "r:", encoding="utf-8"))) for name in sys.argv[1:]]))',
  ].join('\n')

  test('their entries are those that the tarfile module of Python reads', () => {
    const theirs = JSON.parse(run('python3', ['-c', script, ...layers.map(goldenPath)])) as unknown[]
    expect(layers.length).toBe(34)
    for (const [i, name] of layers.entries()) {
      const ours = readTar(goldenBytes(name)).map(({ header, body }) => [
        String.fromCharCode(header.typeflag || 0x30),
        // Python removes slashes at the end of a name.
        text(header.path).replace(/(?<=.)\/+$/, ''),
        text(header.linkPath),
        header.mode,
        header.uid,
        header.gid,
        Math.trunc(header.mtime),
        body.length,
        sha256(body),
      ])
      expect({ name, entries: ours }).toEqual({ name, entries: theirs[i] })
    }
  })
})

test('an empty stream is an archive without entries', () => {
  expect(readTar(encodeUtf8(''))).toEqual([])
})
