import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { encodeUtf8 } from '../../../src/bytes.ts'
import { canonicalJson } from '../../../src/container/oci/canonical-json.ts'
import { goConfigJson, normaliseConfig, readGoConfig } from '../../../src/container/oci/config.ts'
import { digestOf } from '../../../src/container/oci/digest.ts'
import { convertDockerManifest } from '../../../src/container/oci/docker-manifest.ts'
import { guessManifestType, MAX_MANIFEST_SIZE, parseIndex, parseManifest } from '../../../src/container/oci/manifest.ts'
import { FormatError, LimitError, OstreeError, UnsupportedError, UsageError } from '../../../src/errors.ts'
import { nodePlatform } from '../../../src/platform/node.ts'
import { PLATFORMS } from '../../support/backends.ts'
import { goldenJson } from '../../support/golden.ts'

interface ConfigVectors {
  cases: {
    name: string
    config_in: unknown
    proxy_config_out: string
    canonical_config_after_rust_types: string
    manifest_in: string
    manifest_digest: string
    canonical_manifest_after_rust_types: string
  }[]
  docker_v2s2_dir: { manifest_digest_reported: string; manifest: string; config: string }
}

interface Transports {
  'oci-zstd': { config: unknown; manifest: { config: { digest: string } } }
  'dir-v2s2': { manifest_digest: string; manifest: unknown }
}

const configs = goldenJson<ConfigVectors>('container/config-normalisation.json')
const transports = goldenJson<Transports>('container/transports.json')
const json = (value: unknown): Uint8Array => encodeUtf8(JSON.stringify(value))
const digest = (bytes: Uint8Array): string => digestOf(nodePlatform.sha256(bytes))
const LAYER = { mediaType: 'application/vnd.oci.image.layer.v1.tar', digest: `sha256:${'0'.repeat(64)}`, size: 1 }
const MANIFEST = {
  schemaVersion: 2,
  config: { ...LAYER, mediaType: 'application/vnd.oci.image.config.v1+json' },
  layers: [LAYER],
}
const CONFIG = { architecture: 'amd64', os: 'linux', rootfs: { type: 'layers', diff_ids: ['x'] } }

describe('canonical JSON', () => {
  test('spells a config as the exporter of ostree-ext did', () => {
    const { config, manifest } = transports['oci-zstd']
    expect(digest(encodeUtf8(canonicalJson(config)))).toBe(manifest.config.digest)
  })

  test('orders keys by UTF-16 units, integer-like ones too, and escapes only what it must', () => {
    const value = {
      '😀': 1,
      '\uffff': 2,
      '10': 3,
      '9': 4,
      a: '\b\f\n\r\t\u0001"\\/é\u2028<',
      A: [null, true, 1e21, 0.5],
    }
    expect(canonicalJson(value)).toBe(
      '{"10":3,"9":4,"A":[null,true,1e+21,0.5],"a":"\\b\\f\\n\\r\\t\\u0001\\"\\\\/é\u2028<","😀":1,"\uffff":2}',
    )
    expect(canonicalJson({ size: 2n ** 64n, left: undefined })).toBe('{"size":18446744073709551616}')
  })

  test('is JSON of the same value, whatever the order of members', () => {
    fc.assert(
      fc.property(fc.jsonValue({ maxDepth: 4 }), (value) => {
        const plain = JSON.parse(JSON.stringify(value))
        expect(JSON.parse(canonicalJson(plain))).toEqual(plain)
      }),
    )
    const members = fc.uniqueArray(fc.tuple(fc.string(), fc.integer()), { selector: ([key]) => key })
    fc.assert(
      fc.property(members, (entries) => {
        expect(canonicalJson(Object.fromEntries(entries.toReversed()))).toBe(canonicalJson(Object.fromEntries(entries)))
      }),
    )
  })

  test('refuses what JSON cannot say', () => {
    for (const value of [Number.NaN, () => 1, '\ud800', { '\udc00': 1 }]) {
      expect(() => canonicalJson(value)).toThrow(UsageError)
    }
    const ring: unknown[] = []
    ring.push(ring)
    expect(() => canonicalJson(ring)).toThrow(LimitError)
  })
})

describe('configs', () => {
  test.each(configs.cases)('$name is read as the proxy and ostree-ext leave it', (vector) => {
    expect(goConfigJson(readGoConfig(json(vector.config_in)))).toBe(vector.proxy_config_out)
    expect(canonicalJson(normaliseConfig(json(vector.config_in)))).toBe(vector.canonical_config_after_rust_types)
  })

  test('normalising is idempotent', () => {
    for (const { config_in } of configs.cases) {
      const once = normaliseConfig(json(config_in))
      expect(normaliseConfig(json(once))).toEqual(once)
    }
  })

  test.each([
    ['2020-01-02T03:04:05.120Z', '2020-01-02T03:04:05.12Z'],
    ['2020-01-02T03:04:05.000000000Z', '2020-01-02T03:04:05Z'],
    ['2020-01-02T03:04:05.1234567899Z', '2020-01-02T03:04:05.123456789Z'],
    ['2020-01-02T03:04:05+00:00', '2020-01-02T03:04:05Z'],
    ['2020-01-02T03:04:05-00:00', '2020-01-02T03:04:05Z'],
    ['2020-01-02T03:04:05+01:30', '2020-01-02T03:04:05+01:30'],
  ])('the time %s becomes %s', (created, expected) => {
    const config = normaliseConfig(json({ ...CONFIG, created, history: [{ created }] }))
    expect([config.created, config.history?.[0]?.created]).toEqual([expected, expected])
  })

  test.each(['', '2020-01-02t03:04:05Z', '2020-01-02T03:04:05z', '2020-02-30T00:00:00Z', '2020-01-02', '1 PM'])(
    'the time "%s" fails the config',
    (created) => {
      expect(() => normaliseConfig(json({ ...CONFIG, created }))).toThrow(FormatError)
      expect(() => normaliseConfig(json({ ...CONFIG, history: [{ created }] }))).toThrow(FormatError)
    },
  )

  test('names match in any case, null is absent, strange text becomes U+FFFD', () => {
    const text =
      '{"ARCHITECTURE":"a","architecture":null,"Os":"l","Created":null,"rootFS":{"TYPE":"t","diff_IDs":["d",null]}}'
    expect(normaliseConfig(encodeUtf8(text))).toEqual({
      architecture: 'a',
      os: 'l',
      config: {},
      rootfs: { type: 't', diff_ids: ['d', ''] },
    })
    const bytes = json({ ...CONFIG, author: 'x~' })
    bytes[bytes.indexOf(0x7e)] = 0xff
    expect(normaliseConfig(bytes).author).toBe('x\ufffd')
  })

  test('the architecture armbe is stored under the name the Rust types give it', () => {
    const config = json({ ...CONFIG, architecture: 'armbe' })
    expect(normaliseConfig(config).architecture).toBe('arm64be')
    expect(readGoConfig(config).architecture).toBe('armbe')
  })

  test('a label may have any name', () => {
    const text = JSON.stringify(CONFIG).replace('{', '{"config":{"Labels":{"__proto__":"p","10":"t","A":"u"}},')
    expect(canonicalJson(normaliseConfig(encodeUtf8(text)).config)).toBe(
      '{"Labels":{"10":"t","A":"u","__proto__":"p"}}',
    )
  })

  test.each([
    ['an empty object', {}],
    ['no diff ids', { architecture: 'amd64', os: 'linux' }],
    ['a wrong type', { ...CONFIG, os: 1 }],
    ['a wrong type in a list', { ...CONFIG, config: { Env: [1] } }],
    ['a wrong type in a map', { ...CONFIG, config: { Volumes: { '/v': 'x' } } }],
    ['a list for a map', { ...CONFIG, config: { Labels: [] } }],
    ['a map for a list', { ...CONFIG, history: {} }],
    ['a list at the top', [CONFIG]],
  ])('refuses %s', (_, value) => {
    expect(() => normaliseConfig(json(value))).toThrow(FormatError)
  })
})

describe('manifests', () => {
  test.each(configs.cases)('of $name keeps what ostree-ext keeps', (vector) => {
    expect(canonicalJson(parseManifest(encodeUtf8(vector.manifest_in)))).toBe(
      vector.canonical_manifest_after_rust_types,
    )
    expect(digest(encodeUtf8(vector.manifest_in))).toBe(vector.manifest_digest)
  })

  test('keeps empty annotations and drops null ones; a platform keeps the names the Rust types know', () => {
    const platform = { architecture: 'a', os: 'o', 'os.version': '1', os_version: '2', variant: 'v' }
    const layer = { ...LAYER, annotations: {}, urls: [], data: null, platform, other: 1 }
    expect(parseManifest(json({ ...MANIFEST, annotations: {}, subject: null, layers: [layer] }))).toEqual({
      ...MANIFEST,
      annotations: {},
      layers: [
        {
          ...LAYER,
          annotations: {},
          urls: [],
          platform: { architecture: 'a', os: 'o', os_version: '2', variant: 'v' },
        },
      ],
    })
  })

  test.each([
    ['a wrong digest', { ...MANIFEST, layers: [{ ...LAYER, digest: 'sha256:../x' }] }],
    ['a negative size', { ...MANIFEST, layers: [{ ...LAYER, size: -1 }] }],
    ['a broken size', { ...MANIFEST, layers: [{ ...LAYER, size: 1.5 }] }],
    ['a size beyond all discs', { ...MANIFEST, layers: [{ ...LAYER, size: 2 ** 60 }] }],
    ['no layers', { ...MANIFEST, layers: undefined }],
    ['null for a layer', { ...MANIFEST, layers: [null] }],
    ['no config', { ...MANIFEST, config: undefined }],
    ['half a surrogate pair', { ...MANIFEST, annotations: { a: '\ud800' } }],
    ['an index that is a manifest', { ...MANIFEST, manifests: [] }],
    ['an index with a config of null', { schemaVersion: 2, manifests: [], config: null }],
    ['a name in another case', { ...MANIFEST, layers: undefined, Layers: [] }],
  ])('refuses %s', (_, value) => {
    expect(() => parseManifest(json(value))).toThrow(FormatError)
  })

  test('an index that is a manifest is no index either', () => {
    expect(() => parseIndex(json({ schemaVersion: 2, manifests: [LAYER], layers: [] }))).toThrow(FormatError)
    expect(parseIndex(json({ schemaVersion: 2, manifests: [{ ...LAYER, platform: {} }] })).manifests).toHaveLength(1)
  })

  test('too long, too deep and too strange texts are refused with typed errors', () => {
    for (const parse of [parseManifest, parseIndex, normaliseConfig, guessManifestType]) {
      expect(() => parse(new Uint8Array(MAX_MANIFEST_SIZE + 1).fill(0x20))).toThrow(LimitError)
      expect(() => parse(encodeUtf8('['.repeat(1_000_000)))).toThrow(LimitError)
      expect(() => parse(encodeUtf8('{"a":'.repeat(1_000_000)))).toThrow(LimitError)
      expect(() => parse(encodeUtf8('{"schemaVersion"'))).toThrow(FormatError)
    }
    expect(() => parseManifest(new Uint8Array([0x7b, 0xff, 0x7d]))).toThrow(FormatError)
  })

  test('a mutated document is read or refused, never a surprise', () => {
    const names = ['config', 'layers', 'annotations', 'rootfs', 'history', 'created', 'mediaType', 'manifests']
    const anyDocument = fc.dictionary(fc.constantFrom(...names), fc.jsonValue({ maxDepth: 3 }))
    fc.assert(
      fc.property(anyDocument, (part) => {
        for (const parse of [parseManifest, parseIndex, normaliseConfig, guessManifestType]) {
          for (const base of [MANIFEST, CONFIG, {}]) {
            try {
              parse(json({ ...base, ...part }))
            } catch (error) {
              expect(error).toBeInstanceOf(OstreeError)
            }
          }
        }
      }),
    )
  })
})

describe('the type of a manifest', () => {
  const oci = 'application/vnd.oci.image.manifest.v1+json'
  const docker = 'application/vnd.docker.distribution.manifest.v2+json'
  const index = 'application/vnd.oci.image.index.v1+json'

  test.each([
    [docker, MANIFEST, docker],
    [`${docker}; charset=utf-8`, MANIFEST, docker],
    ['text/plain; charset=utf-8', MANIFEST, oci],
    [undefined, { ...MANIFEST, mediaType: docker }, docker],
    [undefined, MANIFEST, oci],
    [undefined, { config: { mediaType: 'application/vnd.docker.container.image.v1+json' } }, docker],
    [undefined, { schemaVersion: 2, manifests: [LAYER] }, index],
    [undefined, { schemaVersion: 2, manifests: [] }, oci],
  ])('declared as %s, the text %j is %s', (declared, value, expected) => {
    expect(guessManifestType(json(value), declared)).toBe(expected)
  })

  test('old and foreign types are refused by name', () => {
    const old = 'application/vnd.docker.distribution.manifest.v1+json'
    expect(() => guessManifestType(json({ schemaVersion: 1 }))).toThrow(`unsupported legacy manifest MIME type: ${old}`)
    expect(() => guessManifestType(json({}), 'image/png')).toThrow('unsupported manifest MIME type: image/png')
  })
})

describe.each(PLATFORMS)("Docker's manifests on platform $name", (platform) => {
  const config = encodeUtf8(canonicalJson(transports['oci-zstd'].config))

  test('convert to the text the proxy hands out', () => {
    const manifest = json(transports['dir-v2s2'].manifest)
    const converted = convertDockerManifest(platform, manifest, config)
    expect(converted).toEqual(JSON.parse(configs.docker_v2s2_dir.manifest))
    expect(goConfigJson(readGoConfig(config))).toBe(configs.docker_v2s2_dir.config)
  })

  test('keep the URLs of foreign layers', () => {
    const layer = {
      ...LAYER,
      mediaType: 'application/vnd.docker.image.rootfs.foreign.diff.tar.gzip',
      urls: ['https://x/'],
    }
    expect(convertDockerManifest(platform, json({ ...MANIFEST, layers: [layer] }), config).layers).toEqual([
      { ...layer, mediaType: 'application/vnd.oci.image.layer.nondistributable.v1.tar+gzip' },
    ])
  })

  test('fail on a layer type without a match', () => {
    const manifest = json({ ...MANIFEST, layers: [{ ...LAYER, mediaType: 'text/html' }] })
    expect(() => convertDockerManifest(platform, manifest, config)).toThrow(UnsupportedError)
    expect(() => convertDockerManifest(platform, manifest, config)).toThrow(
      'Unknown media type during manifest conversion: "text/html"',
    )
  })
})
