/** Damaged and hostile images and archives: the error names the layer and the place in it, and nothing is stored. */
import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { describe, expect, test } from 'vitest'
import { concatBytes } from '../../src/bytes.ts'
import { nodePlatform } from '../../src/platform/node.ts'
import { buildImage, type LayerFields } from '../../src/testing/index.ts'
import { dir, file, hardlink, symlink, type TarEntry, tarBytes } from '../support/tar-bytes.ts'
import { temporaryFolder } from '../support/temporary.ts'
import { makePlace, type Place, refusal } from './refused.ts'

const root = temporaryFolder()
const LAYER = 'application/vnd.oci.image.layer.v1.tar'
const GZIP = `${LAYER}+gzip`

const good = tarBytes([dir('usr'), file('usr/a', 'content')])
const rare = tarBytes([dir('usr'), file('usr/rare', 'rare'.repeat(500))])
const zipped = gzipSync(rare)

function flip(bytes: Uint8Array, at: number): Uint8Array {
  return bytes.map((byte, index) => (index === at ? byte ^ 0x40 : byte))
}

/** Makes an archive with a file whose size needs more than octal digits. */
function absurd(): Uint8Array {
  const tar = tarBytes([dir('usr'), file('usr/huge', 'x')])
  const header = tar.subarray(512, 1024)
  header.set([0x80, 0, 0, 0, 0x7f, 255, 255, 255, 255, 255, 255, 255], 124)
  header.fill(0x20, 148, 156)
  const sum = header.reduce((all, byte) => all + byte, 0)
  header.set(new TextEncoder().encode(`${sum.toString(8).padStart(6, '0')}\0 `), 148)
  return tar
}

/** Makes a zstd frame of 33 KiB with more than 1 GiB of content: the start of a tar, then blocks of 128 KiB in 4 bytes each. */
function bomb(): Uint8Array {
  const head = tarBytes([dir('usr'), file('usr/a', 'x')]).subarray(0, 1024)
  const block = (type: number, size: number) => {
    const word = (size << 3) | (type << 1)
    return [word & 255, (word >> 8) & 255, word >> 16]
  }
  const repeated = Array.from({ length: 8200 }, () => [...block(1, 1 << 17), 0]).flat()
  return Uint8Array.from([0x28, 0xb5, 0x2f, 0xfd, 0, 0x58, ...block(0, head.length), ...head, ...repeated, 1, 0, 0])
}

const digestOf = (bytes: Uint8Array) => `sha256:${nodePlatform.sha256(bytes)}`

const LAYERS: Record<string, [layer: LayerFields, message: string | RegExp]> = {
  'is truncated': [{ tar: rare, found: rare.subarray(0, 700) }, 'expected 4096 bytes in blob, got 700'],
  'is truncated, compressed': [
    { tar: rare, blob: zipped, mediaType: GZIP, found: zipped.subarray(0, 60) },
    `expected ${zipped.length} bytes in blob, got 60`,
  ],
  'has a bit flipped': [{ tar: rare, found: flip(rare, 1100) }, /corrupted blob, expecting sha256:\w+, got sha256:/],
  'has a bit flipped, compressed': [
    { tar: rare, blob: zipped, mediaType: GZIP, found: flip(zipped, 40) },
    /corrupted blob|invalid|incorrect/,
  ],
  'has the content of another': [{ tar: rare, found: good }, 'expected 4096 bytes in blob, got 2560'],
  'is too long': [
    { tar: rare, found: concatBytes([rare, new Uint8Array(512)]) },
    'expected 4096 bytes in blob, got 4608',
  ],
  'is missing': [{ tar: rare, found: null }, /no such file: blobs\/sha256\//],
  'has another diff id': [
    { tar: good, blob: zipped, mediaType: GZIP },
    `diff id expected ${digestOf(good)}, actual ${digestOf(rare)}`,
  ],
  'is neither gzip nor a tar': [{ tar: rare, blob: rare.subarray(1), mediaType: GZIP }, 'invalid gzip header'],
  'has an unknown media type': [{ tar: rare, mediaType: 'x/strange' }, 'Importing: Unhandled layer type: x/strange'],
  'was truncated before its digest was computed': [{ tar: rare.subarray(0, 1300) }, 'usr/rare at offset 512: '],
  'has a header with a wrong checksum': [{ tar: flip(rare, 515) }, 'at offset 512: Damaged tar archive'],
  'has a file of 2^63 bytes': [{ tar: absurd() }, 'at offset 512: '],
}

const ENTRIES: Record<string, [entries: TarEntry[], message: string | RegExp]> = {
  'a path with ..': [[file('usr/../../outside', 'bad')], 'usr/../../outside'],
  'a path that begins with ..': [[file('../outside', 'bad')], '../outside'],
  'a symbolic link as a parent': [
    [symlink('etc', '/tmp'), file('etc/planted', 'bad')],
    /Can't replace file with directory: (usr|etc)/,
  ],
  'a hard link to a missing file': [[hardlink('usr/l', 'usr/nowhere')], 'usr/nowhere'],
  'a hard link out of the tree': [[hardlink('usr/l', '../../outside')], '../../outside'],
  'a device': [[{ name: 'usr/sda', type: '4' }], 'Unsupported file type for path "usr/sda"'],
  'a file as a parent': [[file('usr/a'), file('usr/a/b')], /a/],
}

function writeLayout({ path }: Place, layers: readonly LayerFields[]): string {
  const layout = join(path, 'image')
  for (const [name, bytes] of buildImage(nodePlatform, layers)) {
    mkdirSync(dirname(join(layout, name)), { recursive: true })
    writeFileSync(join(layout, name), bytes)
  }
  return `ostree-unverified-image:oci:${layout}`
}

/** Pulls an image into a repository directory and into an SQLite file. @returns the error, which is the same for both */
async function refusedPull(layers: readonly LayerFields[]): Promise<string> {
  const place = await makePlace(root)
  const image = writeLayout(place, layers)
  const said = []
  for (const repo of place.repos) {
    said.push(await refusal(place, repo, ['container', 'image', 'pull', '--quiet', repo, image]))
  }
  expect(new Set(said).size).toBe(1)
  return said[0] ?? ''
}

describe('`container image pull` of images with an invalid layer', () => {
  test.each(Object.entries(LAYERS))('an image is refused if its second layer %s', async (title, [layer, message]) => {
    const said = await refusedPull([{ tar: good }, layer])
    if (title !== 'has an unknown media type') {
      expect(said).toContain(`error: Importing: Parsing layer blob ${digestOf(layer.blob ?? layer.tar)}: `)
    }
    if (typeof message === 'string') expect(said).toContain(message)
    else expect(said).toMatch(message)
  })
})

test('`container image pull` refuses a layer that is compressed more than the limit allows', async () => {
  const place = await makePlace(root)
  const image = writeLayout(place, [{ tar: good }, { tar: rare, blob: bomb(), mediaType: `${LAYER}+zstd` }])
  const [repo = ''] = place.repos
  const said = await refusal(place, repo, ['container', 'image', 'pull', '--quiet', repo, image])
  expect(said).toMatch(/Parsing layer blob sha256:\w+: .*(?:4096|limit)/)
})

describe('`container image pull` and `commit` of invalid archives', () => {
  test('a directory in place of a file of the same archive is refused by commit, as by ostree', async () => {
    const place = await makePlace(root)
    const archive = join(place.path, 'archive.tar')
    writeFileSync(archive, tarBytes([dir('./'), dir('usr'), file('usr/a'), dir('usr/a')]))
    for (const repo of place.repos) {
      const said = await refusal(place, repo, ['commit', `--repo=${repo}`, '-b', 'main', `--tree=tar=${archive}`])
      expect(said).toContain("Can't replace file with directory: a")
    }
  })

  test.each(Object.entries(ENTRIES))(
    'an archive with %s is refused as a layer and as a tree',
    async (_, [entries, message]) => {
      const tar = tarBytes([dir('./'), dir('usr'), ...entries])
      const said = [await refusedPull([{ tar: good }, { tar }])]
      expect(said[0]).toContain(`error: Importing: Parsing layer blob ${digestOf(tar)}: `)
      const place = await makePlace(root)
      const archive = join(place.path, 'archive.tar')
      writeFileSync(archive, tar)
      for (const repo of place.repos) {
        said.push(await refusal(place, repo, ['commit', `--repo=${repo}`, '-b', 'main', `--tree=tar=${archive}`]))
      }
      for (const text of said) {
        if (typeof message === 'string') expect(text).toContain(message)
        else expect(text).toMatch(message)
      }
    },
  )
})
