/** Tests of packing: which components share a layer, compared with ostree-ext. */
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { gunzipSync } from 'node:zlib'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { encodeUtf8 } from '../../../src/bytes.ts'
import type { ObjectSourceMetaSized } from '../../../src/container/encapsulate/object-meta.ts'
import { basicPacking } from '../../../src/container/encapsulate/packing.ts'
import { mean, medianAbsoluteDeviation, standardDeviation } from '../../../src/container/encapsulate/statistics.ts'
import type { Descriptor, Digest, ImageManifest } from '../../../src/container/index.ts'
import { nodePlatform } from '../../../src/platform/node.ts'
import { goldenJson } from '../../support/golden.ts'

interface GoldenComponent {
  readonly identifier: string
  readonly name: string
  readonly srcid: string
  readonly change_time_offset: number
  readonly change_frequency: number
  readonly size: number
}
interface SmallCase {
  readonly name: string
  readonly bins: number
  /** A text instead of components in cases where packing is rejected anyway. */
  readonly components: readonly GoldenComponent[] | string
  readonly prior_bins_by_name?: readonly string[][]
  readonly expected?: readonly string[][]
  readonly error?: boolean
}
interface Golden {
  readonly small: readonly SmallCase[]
  readonly fcos: {
    readonly total_size: number
    readonly packings: Record<string, { n_bins: number; bin_lengths: number[]; bins?: string[][]; bins_sha256: string }>
  }
  readonly statistics: {
    readonly mean: [number[], number | null][]
    readonly std_deviation: [number[], number | null][]
    readonly median_absolute_deviation_presorted: [number[], [number, number] | null][]
  }
}
const { small, fcos, statistics } = goldenJson<Golden>('container/packing.json')

function component(golden: GoldenComponent): ObjectSourceMetaSized {
  const { identifier, name, srcid, size } = golden
  return {
    identifier,
    name,
    srcid,
    size,
    changeTimeOffset: golden.change_time_offset,
    changeFrequency: golden.change_frequency,
  }
}

function componentsOf({ components }: SmallCase): ObjectSourceMetaSized[] {
  // Any list with more components than bins gives the error.
  return typeof components === 'string' ? componentsOf(small[0] as SmallCase) : components.map(component)
}

const LAYER: Descriptor = { mediaType: '', digest: `sha256:${'0'.repeat(64)}` as Digest, size: 0 }

/** Creates the manifest of a prior build with the given components per chunk. */
function builtBefore(bins: readonly (readonly string[])[]): ImageManifest {
  const chunks = bins.map((names) => ({ ...LAYER, annotations: { 'ostree.components': names.join(',') } }))
  return { schemaVersion: 2, config: LAYER, layers: [LAYER, ...chunks] }
}

const identifiers = (bins: readonly (readonly ObjectSourceMetaSized[])[]) =>
  bins.map((bin) => bin.map(({ identifier }) => identifier))

describe('statistics', () => {
  test('mean, standard deviation and median absolute deviation equal the vectors (case C1)', () => {
    for (const [values, expected] of statistics.mean) expect(mean(values) ?? null).toBe(expected)
    for (const [values, expected] of statistics.std_deviation) {
      expect(standardDeviation(values) ?? null).toBe(expected)
    }
    for (const [values, expected] of statistics.median_absolute_deviation_presorted) {
      const found = medianAbsoluteDeviation(values)
      expect(found === undefined ? null : [found.median, found.deviation]).toEqual(expected)
    }
  })
})

describe('packing', () => {
  test.each(small.map((one) => [`${one.name}, ${one.bins} bins`, one] as const))(
    'packing %s gives the bins of the vectors (cases G1, G3, G4)',
    (_, one) => {
      const prior = one.prior_bins_by_name === undefined ? undefined : builtBefore(one.prior_bins_by_name)
      const pack = () => identifiers(basicPacking(componentsOf(one), one.bins, prior))
      if (one.error === true) expect(pack).toThrow('number of bins should be >= 4')
      else expect(pack()).toEqual(one.expected)
    },
  )

  // The components of Fedora CoreOS are test data of ostree-ext, which is not in this repository.
  const folder = process.env['OSTREE_EXT_FIXTURES'] ?? ''
  const input = join(folder, 'fedora-coreos-contentmeta.json.gz')
  const isThere = folder !== '' && existsSync(input)
  const where = isThere ? '' : ' (needs OSTREE_EXT_FIXTURES, a folder with fedora-coreos-contentmeta.json.gz)'
  describe.runIf(isThere)(`packing of a whole distribution${where}`, () => {
    const components = (): ObjectSourceMetaSized[] =>
      (JSON.parse(gunzipSync(readFileSync(input)).toString()) as GoldenComponent[]).map(component)

    test.each(Object.entries(fcos.packings))(
      'packing into %s bins gives the bins of the vectors (cases G2, G6)',
      (most, expected) => {
        const bins = basicPacking(components(), Number(most))
        expect(bins.map((bin) => bin.length)).toEqual(expected.bin_lengths)
        if (expected.bins !== undefined) expect(identifiers(bins)).toEqual(expected.bins)
        expect(nodePlatform.sha256(encodeUtf8(JSON.stringify(identifiers(bins))))).toBe(expected.bins_sha256)
        expect(bins.flat().reduce((sum, { size }) => sum + size, 0)).toBe(fcos.total_size)
      },
    )

    test('packing into one bin is rejected (case G3)', () => {
      expect(() => basicPacking(components(), 1)).toThrow('number of bins should be >= 4')
    })
  })

  const anyComponents = fc
    .array(
      fc.record({
        size: fc.oneof(fc.nat(50), fc.nat(100_000_000)),
        changeFrequency: fc.oneof(fc.nat(10), fc.nat(1000), fc.constant(0xffff_ffff)),
      }),
      { maxLength: 80 },
    )
    .map((list): ObjectSourceMetaSized[] =>
      list
        .map((numbers, i) => ({ identifier: `id${i}`, name: `n${i}`, srcid: `s${i}`, changeTimeOffset: 0, ...numbers }))
        .sort((a, b) => b.size - a.size),
    )

  test('packing puts each component into exactly one bin, and makes at most the given number of bins', () => {
    fc.assert(
      fc.property(anyComponents, fc.integer({ min: 5, max: 70 }), (components, most) => {
        const bins = basicPacking(components, most)
        expect(bins.length).toBeLessThanOrEqual(most)
        expect(identifiers(bins).flat().sort()).toEqual(components.map(({ identifier }) => identifier).sort())
      }),
      { numRuns: 200 },
    )
  })

  test('packing keeps the bins of the prior build if the components are the same', () => {
    fc.assert(
      fc.property(anyComponents, fc.integer({ min: 5, max: 70 }), (components, most) => {
        const bins = basicPacking(components, most)
        const names = bins.map((bin) => bin.map(({ name }) => name))
        fc.pre(names.length > 0)
        expect(identifiers(basicPacking(components.toReversed(), most, builtBefore(names)))).toEqual(identifiers(bins))
      }),
      { numRuns: 200 },
    )
  })

  test('packing allows fewer than four bins if each component gets its own', () => {
    const two = componentsOf(small[0] as SmallCase).slice(0, 2)
    expect(identifiers(basicPacking(two, 3))).toEqual([['pkg1.0'], ['pkg2.0'], []])
    expect(() => basicPacking(two, 2)).toThrow('number of bins should be >= 4')
  })

  test('packing ignores a prior build that has more bins than allowed', () => {
    const components = componentsOf(small[0] as SmallCase)
    const many = builtBefore(components.map(({ name }) => [name]))
    expect(identifiers(basicPacking(components, 6, many))).toEqual(small[0]?.expected)
  })

  test.each([
    [
      'has no annotation of components',
      { schemaVersion: 2, config: LAYER, layers: [LAYER, LAYER] },
      'Missing ostree.components',
    ],
    ['has a component in two chunks', builtBefore([['pkg1', 'pkg2'], ['pkg1']]), 'component pkg1 is in two of them'],
  ])('packing rejects a prior build that %s', (_, prior: ImageManifest, message) => {
    const components = componentsOf(small[0] as SmallCase)
    expect(() => basicPacking(components, 6, prior)).toThrow(message)
  })
})
