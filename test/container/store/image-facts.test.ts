import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { Checksum } from '../../../src/bytes.ts'
import type { ImageIndex } from '../../../src/container/oci/manifest.ts'
import { formatManifestDiff, manifestDiff, manifestDiffJson } from '../../../src/container/oci/manifest-diff.ts'
import type { Descriptor, Digest, ImageConfiguration, ImageManifest } from '../../../src/container/oci/oci-types.ts'
import { chooseManifest, wantedVariants } from '../../../src/container/oci/platform-choice.ts'
import { parseLenientRfc3339, parseRfc3339 } from '../../../src/container/oci/rfc3339.ts'
import { timestampOfManifestOrConfig, versionForConfig } from '../../../src/container/store/image-time.ts'
import { NotFoundError } from '../../../src/errors.ts'
import { formatSize } from '../../../src/format-size.ts'
import { Summary } from '../../../src/repo/summary/format.ts'
import { goldenJson } from '../../support/golden.ts'
import { run, testReference } from '../../support/reference.ts'
import { temporaryFolder } from '../../support/temporary.ts'

const layer = (letter: string, size: number): Descriptor => ({
  mediaType: 'application/vnd.oci.image.layer.v1.tar',
  digest: `sha256:${letter.repeat(64)}` as Digest,
  size,
})
const image = (...layers: Descriptor[]): ImageManifest => ({ schemaVersion: 2, config: layer('0', 2), layers })

const UNIT_POWERS = [1e3, 1e6, 1e9, 1e12, 1e15, 1e18]

describe('sizes', () => {
  test.each(goldenJson<{ cases: [number, string][] }>('container/format-size.json').cases)(
    '%d bytes are formatted as by GLib',
    (bytes, text) => expect(formatSize(bytes)).toBe(text),
  )

  test.each([
    [1250, '1.2'],
    [1750, '1.8'],
    [2250, '2.2'],
    [2750, '2.8'],
    [2251, '2.3'],
    [2249, '2.2'],
    [999_250, '999.2'],
  ])('%d bytes are %s kB: halfway between two decimals the even one is taken', (bytes, text) => {
    expect(formatSize(bytes)).toBe(`${text}\u00a0kB`)
    expect(formatSize(bytes * 1e9)).toBe(`${text}\u00a0TB`)
  })

  testReference('ostree', 'are formatted as by ostree, which prints those of a summary', () => {
    const folder = temporaryFolder()
    const random = fc.sample(fc.double({ min: 0, max: 18.9, noNaN: true }), { numRuns: 300, seed: 1 })
    const near = random.map((digits) => Math.floor(10 ** digits))
    const halfway = Array.from({ length: 200 }, (_, i) => (2 * i + 1) * 50 * 1000 ** (i % 6)).filter((n) => n < 1.8e19)
    const edges = UNIT_POWERS.flatMap((unit) => [
      unit - 1,
      unit,
      1.25 * unit,
      1.75 * unit,
      999.95 * unit,
      999.949 * unit,
    ])
    const sizes = [...near, ...halfway, ...edges].map(Math.floor).filter((size) => size < 1.8e19)
    const commit = '0'.repeat(64) as Checksum
    const refs = sizes.map((size, i) => ({
      name: `n${String(i).padStart(4, '0')}`,
      latest: { size: BigInt(size), commit, metadata: [] },
    }))
    run('ostree', ['init', '--repo=.', '--mode=archive'], { cwd: folder })
    writeFileSync(join(folder, 'summary'), Summary.encode({ refs, metadata: [] }))
    const printed = run('ostree', ['summary', '--view', '--repo=.'], { cwd: folder })
    const theirs = [...printed.matchAll(/Latest Commit \((.*)\)/g)].map(([, size]) => size)
    expect(sizes.map(formatSize)).toEqual(theirs)
    expect(sizes.length).toBeGreaterThan(400)
  })
})

describe('the difference of two manifests', () => {
  const [a, b, c, d] = [layer('a', 1500), layer('b', 20), layer('c', 300), layer('d', 4)]
  const diff = manifestDiff(image(c, a, b), image(d, b, b))

  test('the difference counts layers by digest, and the bytes of repeated layers repeatedly (case C9)', () => {
    expect(diff).toEqual({ removed: [a, c], added: [d], total: 2, totalSize: 44, removedSize: 1800, addedSize: 4 })
    expect(manifestDiffJson(diff)).toEqual({
      total: 2,
      total_size: 44,
      n_removed: 2,
      removed_size: 1800,
      n_added: 1,
      added_size: 4,
    })
  })

  test('the difference is formatted in three lines', () => {
    expect(formatManifestDiff(diff)).toBe(
      'Total new layers: 2     Size: 44 bytes\n' +
        'Removed layers:   2     Size: 1.8\u00a0kB\n' +
        'Added layers:     1     Size: 4 bytes\n',
    )
  })

  test('an image does not differ from itself', () => {
    expect(manifestDiff(image(a, b), image(b, a))).toMatchObject({ removed: [], added: [], total: 2 })
  })
})

describe('the choice of a manifest', () => {
  const entry = (letter: string, platform?: Record<string, string>, zstd = false): Descriptor => ({
    ...layer(letter, 1),
    ...(platform && { platform }),
    ...(zstd && { annotations: { 'io.github.containers.compression.zstd': 'true' } }),
  })
  const index = (...manifests: Descriptor[]): ImageIndex => ({ schemaVersion: 2, manifests })
  const list = (...manifests: Descriptor[]): ImageIndex => ({
    ...index(...manifests),
    mediaType: 'application/vnd.docker.distribution.manifest.list.v2+json',
  })
  const amd64 = { os: 'linux', architecture: 'amd64' }
  const arm = { os: 'linux', architecture: 'arm' }

  test('the wanted variants start with the best one for the host, or with none if it is unknown', () => {
    expect(wantedVariants({ ...arm, variant: 'v7' })).toEqual(['v7', 'v6', 'v5', ''])
    expect(wantedVariants(arm)).toEqual(['', 'v8', 'v7', 'v6', 'v5'])
    expect(wantedVariants({ os: 'linux', architecture: 'arm64', variant: 'v8' })).toEqual(['v8', ''])
    expect(wantedVariants({ ...amd64, variant: 'v3' })).toEqual(['v3', ''])
    expect(wantedVariants(amd64)).toEqual([''])
  })

  test('the first of equal entries is chosen, and gzip before zstd', () => {
    expect(chooseManifest(index(entry('a', arm), entry('b', amd64), entry('c', amd64)), amd64)).toEqual(
      entry('b', amd64),
    )
    const zstd = entry('a', amd64, true)
    expect(chooseManifest(index(zstd, entry('b', amd64)), amd64)).toEqual(entry('b', amd64))
    expect(chooseManifest(index(zstd), amd64)).toEqual(zstd)
    expect(chooseManifest(list(zstd, entry('b', amd64)), amd64)).toEqual(zstd)
  })

  test('the best variant is chosen whatever its place and compression', () => {
    const [v6, v7, v8] = ['v6', 'v7', 'v8'].map((variant, i) => entry(String(i), { ...arm, variant }, variant === 'v7'))
    const all = index(v6 as Descriptor, v7 as Descriptor, v8 as Descriptor)
    expect(chooseManifest(all, { ...arm, variant: 'v7' })).toBe(v7)
    expect(chooseManifest(all, arm)).toBe(v8)
    expect(() => chooseManifest(all, { ...arm, variant: 'v5' })).toThrow(NotFoundError)
  })

  test('an entry without a platform is chosen last, and only from an OCI index', () => {
    const plain = entry('a')
    expect(chooseManifest(index(plain, entry('b', amd64)), amd64)).toEqual(entry('b', amd64))
    expect(chooseManifest(index(entry('b', arm), plain), amd64)).toEqual(plain)
    expect(() => chooseManifest(list(plain), amd64)).toThrow(
      'no image found in manifest list for architecture "amd64", variant "", OS "linux"',
    )
    expect(() => chooseManifest(index(), amd64)).toThrow(
      'no image found in image index for architecture "amd64", variant "", OS "linux"',
    )
  })
})

describe('the time of an image', () => {
  const config = (created?: string): ImageConfiguration => ({
    architecture: '',
    os: '',
    rootfs: { type: '', diff_ids: [] },
    ...(created !== undefined && { created }),
  })
  const annotated = (created: string): ImageManifest => ({
    ...image(),
    annotations: { 'org.opencontainers.image.created': created },
  })

  test('the time is that of the annotation, else of the config, and none if the annotation is malformed', () => {
    expect(timestampOfManifestOrConfig(annotated('1970-01-01T00:01:00Z'), config('1970-01-02T00:00:00Z'))).toBe(60n)
    expect(timestampOfManifestOrConfig(image(), config('1970-01-02T00:00:00Z'))).toBe(86400n)
    expect(timestampOfManifestOrConfig(annotated('soon'), config('1970-01-02T00:00:00Z'))).toBeUndefined()
    expect(timestampOfManifestOrConfig(image(), config())).toBeUndefined()
  })

  test('a time before the epoch wraps around, with the fraction floored', () => {
    expect(timestampOfManifestOrConfig(annotated('1969-12-31T23:59:59.5Z'), config())).toBe(2n ** 64n - 1n)
  })

  test('a random time is parsed as by JavaScript', () => {
    const anyTime = fc.date({
      min: new Date('0000-01-01T00:00:00Z'),
      max: new Date('9999-12-31T23:59:59Z'),
      noInvalidDate: true,
    })
    fc.assert(
      fc.property(anyTime, (time) => {
        expect(parseRfc3339(time.toISOString())?.seconds).toBe(Math.floor(time.getTime() / 1000))
        expect(parseLenientRfc3339(time.toISOString())).toBe(Math.floor(time.getTime() / 1000))
      }),
    )
    expect(parseRfc3339('2020-01-01T01:30:00+01:30')?.seconds).toBe(Date.UTC(2020, 0, 1) / 1000)
    expect(parseRfc3339('2020-01-01T00:00:00-00:01')?.seconds).toBe(Date.UTC(2020, 0, 1) / 1000 + 60)
  })

  test.each(['2021-02-29T00:00:00Z', '2020-13-01T00:00:00Z', '2020-01-01T24:00:00Z', '2020-01-01T00:00:00', 'x\n'])(
    '%j is rejected as a time',
    (text) => {
      expect(parseRfc3339(text)).toBeUndefined()
      expect(parseLenientRfc3339(text)).toBeUndefined()
    },
  )

  const AT_0304 = Date.UTC(2020, 0, 2, 3, 4) / 1000
  test.each([
    ['2020-01-02t03:04:05z', 5],
    ['2020-01-02 03:04:05Z', 5],
    ['2020-01-02 03:04:05.999999999999z', 5],
    ['2020-01-02T03:04:60Z', 59],
    ['2020-01-02T03:04:60.5+00:01', -1],
    ['2020-01-02T03:04:05\u221201:00', 3605],
  ])('%j is a time in an annotation of a manifest, as in ostree-ext, but not in a config', (text, seconds) => {
    const image = { schemaVersion: 2, config: layer('0', 2), layers: [] } as const
    const annotations = { 'org.opencontainers.image.created': text }
    const at = timestampOfManifestOrConfig({ ...image, annotations }, config())
    expect(at).toBe(BigInt(AT_0304 + seconds))
    expect(parseRfc3339(text)).toBeUndefined()
  })

  test.each([
    '2020-01-02T03:04:61Z',
    '2020-01-02T03:60:60Z',
    '2020-01-02\t03:04:05Z',
    '2020-01-02  03:04:05Z',
    '2020-01-02T03:04:05,5Z',
    '2020-01-02T03:04:05.Z',
    '2020-01-02T03:04:05',
    '2020-01-02T03:04:05+24:00',
    '2020-01-02T03:04:05+01:60',
    '2020-01-02T03:04:05+0100',
    '2020-01-02T03:04:05\u2212',
    '2020-01-02T03:04:05Z ',
    '\u0662020-01-02T03:04:05Z',
  ])('%j is not a time anywhere', (text) => {
    expect([parseRfc3339(text), parseLenientRfc3339(text)]).toEqual([undefined, undefined])
  })

  test('the version of an image is that of the preferred label', () => {
    const labelled = (Labels: Record<string, string>) => versionForConfig({ ...config(), config: { Labels } })
    expect(labelled({ version: '1', 'org.opencontainers.image.version': '2' })).toBe('2')
    expect(labelled({ version: '1' })).toBe('1')
    expect(labelled({})).toBeUndefined()
    expect(versionForConfig(config())).toBeUndefined()
  })
})
