import { describe, expect, test } from 'vitest'
import {
  type Descriptor,
  type Digest,
  type ImageConfiguration,
  type ImageManifest,
  parseManifestLayout,
  parseOstreeManifestLayout,
} from '../../../src/container/index.ts'

function layer(n: number, more: Partial<Descriptor> = {}): Descriptor {
  const digest = `sha256:${n.toString(16).padStart(64, '0')}` as Digest
  return { mediaType: 'application/vnd.oci.image.layer.v1.tar+gzip', digest, size: n, ...more }
}

function image(layers: readonly Descriptor[], final?: string): [ImageManifest, ImageConfiguration] {
  const manifest = { schemaVersion: 2, config: layer(99), layers }
  const diff_ids = layers.map((_, i) => `sha256:diff${i}`)
  const labels = final === undefined ? {} : { config: { Labels: { 'ostree.final-diffid': final } } }
  return [manifest, { architecture: 'amd64', os: 'linux', rootfs: { type: 'layers', diff_ids }, ...labels }]
}

const FOUR = [layer(0), layer(1), layer(2), layer(3)]

describe('the layout of an image', () => {
  test.each([
    ['sha256:diff0', [], [1, 2, 3]],
    ['sha256:diff1', [1], [2, 3]],
    ['sha256:diff3', [1, 2, 3], []],
  ])('the final diff id %s separates chunks from derived layers', (final, chunks, derived) => {
    const layout = parseManifestLayout(...image(FOUR, final))
    expect(layout).toEqual({
      commitLayer: FOUR[0],
      chunks: chunks.map((n) => FOUR[n]),
      derived: derived.map((n) => FOUR[n]),
    })
  })

  test('without the label all layers are derived', () => {
    expect(parseManifestLayout(...image(FOUR))).toEqual({ commitLayer: undefined, chunks: [], derived: FOUR })
    expect(() => parseOstreeManifestLayout(...image(FOUR))).toThrow(
      'No ostree.final-diffid label found, not an ostree encapsulated container',
    )
  })

  test('a copy of the first layer before the last chunk is skipped, and a repeated derived layer is kept', () => {
    const layers = [layer(0), layer(0), layer(1), layer(2), layer(2)]
    const { chunks, derived } = parseManifestLayout(...image(layers, 'sha256:diff2'))
    expect(chunks).toEqual([layer(1)])
    expect(derived).toEqual([layer(2), layer(2)])
  })

  test('a copy of the last chunk is rejected, unless its annotations differ', () => {
    const again = image([layer(0), layer(1), layer(1)], 'sha256:diff1')
    expect(() => parseManifestLayout(...again)).toThrow(`Multiple entries for ${layer(1).digest}`)
    const annotated = layer(1, { annotations: { a: 'b' } })
    expect(parseManifestLayout(...image([layer(0), layer(1), annotated], 'sha256:diff1')).derived).toEqual([annotated])
  })

  test('a manifest that does not match its config is rejected', () => {
    expect(() => parseManifestLayout(...image([]))).toThrow('Parsing manifest layout: No layers in manifest')
    expect(() => parseManifestLayout(...image(FOUR, 'sha256:x'))).toThrow('Missing ostree.final-diffid sha256:x')
    const [manifest, config] = image(FOUR, 'sha256:diff3')
    const short = { ...manifest, layers: FOUR.slice(0, 2) }
    expect(() => parseManifestLayout(short, config)).toThrow('diffid position 3 exceeds layer count 2')
  })
})
