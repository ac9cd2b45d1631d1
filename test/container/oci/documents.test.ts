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
  test('canonical JSON of a config equals the output of ostree-ext', () => {
    const { config, manifest } = transports['oci-zstd']
    expect(digest(encodeUtf8(canonicalJson(config)))).toBe(manifest.config.digest)
  })

  test('canonical JSON orders keys by UTF-16 units, also integer-like ones, and escapes only what is necessary', () => {
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

  test('canonical JSON parses to the same value, and does not depend on the order of members', () => {
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

  test('canonical JSON rejects values that JSON cannot represent', () => {
    for (const value of [Number.NaN, () => 1, '\ud800', { '\udc00': 1 }]) {
      expect(() => canonicalJson(value)).toThrow(UsageError)
    }
    const ring: unknown[] = []
    ring.push(ring)
    expect(() => canonicalJson(ring)).toThrow(LimitError)
  })
})

describe('configs', () => {
  test.each(configs.cases)('the config of $name is normalised as by the image proxy and ostree-ext', (vector) => {
    expect(goConfigJson(readGoConfig(json(vector.config_in)))).toBe(vector.proxy_config_out)
    expect(canonicalJson(normaliseConfig(json(vector.config_in)))).toBe(vector.canonical_config_after_rust_types)
  })

  test('normalising a config is idempotent', () => {
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
  ])('the time %s in a config becomes %s', (created, expected) => {
    const config = normaliseConfig(json({ ...CONFIG, created, history: [{ created }] }))
    expect([config.created, config.history?.[0]?.created]).toEqual([expected, expected])
  })

  test.each(['', '2020-01-02t03:04:05Z', '2020-01-02T03:04:05z', '2020-02-30T00:00:00Z', '2020-01-02', '1 PM'])(
    'a config with the time "%s" is rejected',
    (created) => {
      expect(() => normaliseConfig(json({ ...CONFIG, created }))).toThrow(FormatError)
      expect(() => normaliseConfig(json({ ...CONFIG, history: [{ created }] }))).toThrow(FormatError)
    },
  )

  test('names in a config match in any case, null counts as absent, and invalid UTF-8 becomes U+FFFD', () => {
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

  test('the architecture armbe is stored under its name in the Rust types', () => {
    const config = json({ ...CONFIG, architecture: 'armbe' })
    expect(normaliseConfig(config).architecture).toBe('arm64be')
    expect(readGoConfig(config).architecture).toBe('armbe')
  })

  test('a label in a config may have any name', () => {
    const text = JSON.stringify(CONFIG).replace('{', '{"config":{"Labels":{"__proto__":"p","10":"t","A":"u"}},')
    expect(canonicalJson(normaliseConfig(encodeUtf8(text)).config)).toBe(
      '{"Labels":{"10":"t","A":"u","__proto__":"p"}}',
    )
  })

  test.each([
    ['no members', {}],
    ['no diff ids', { architecture: 'amd64', os: 'linux' }],
    ['a member of the wrong type', { ...CONFIG, os: 1 }],
    ['a member of the wrong type in a list', { ...CONFIG, config: { Env: [1] } }],
    ['a member of the wrong type in a map', { ...CONFIG, config: { Volumes: { '/v': 'x' } } }],
    ['a list instead of a map', { ...CONFIG, config: { Labels: [] } }],
    ['a map instead of a list', { ...CONFIG, history: {} }],
    ['a list at the top', [CONFIG]],
  ])('a config with %s is rejected', (_, value) => {
    expect(() => normaliseConfig(json(value))).toThrow(FormatError)
  })
})

describe('manifests', () => {
  test.each(configs.cases)('the manifest of $name keeps the same members as in ostree-ext', (vector) => {
    expect(canonicalJson(parseManifest(encodeUtf8(vector.manifest_in)))).toBe(
      vector.canonical_manifest_after_rust_types,
    )
    expect(digest(encodeUtf8(vector.manifest_in))).toBe(vector.manifest_digest)
  })

  test('a manifest keeps empty annotations and drops null ones, and a platform keeps the members that the Rust types have', () => {
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
    ['a fractional size', { ...MANIFEST, layers: [{ ...LAYER, size: 1.5 }] }],
    ['a size of 2^60', { ...MANIFEST, layers: [{ ...LAYER, size: 2 ** 60 }] }],
    ['no layers', { ...MANIFEST, layers: undefined }],
    ['null instead of a layer', { ...MANIFEST, layers: [null] }],
    ['no config', { ...MANIFEST, config: undefined }],
    ['half a surrogate pair', { ...MANIFEST, annotations: { a: '\ud800' } }],
    ['members of an index', { ...MANIFEST, manifests: [] }],
    ['members of an index and a config of null', { schemaVersion: 2, manifests: [], config: null }],
    ['a member name in another case', { ...MANIFEST, layers: undefined, Layers: [] }],
  ])('a manifest with %s is rejected', (_, value) => {
    expect(() => parseManifest(json(value))).toThrow(FormatError)
  })

  test('an index with members of a manifest is rejected', () => {
    expect(() => parseIndex(json({ schemaVersion: 2, manifests: [LAYER], layers: [] }))).toThrow(FormatError)
    expect(parseIndex(json({ schemaVersion: 2, manifests: [{ ...LAYER, platform: {} }] })).manifests).toHaveLength(1)
  })

  test('texts that are too long, too deep or malformed are rejected with typed errors', () => {
    for (const parse of [parseManifest, parseIndex, normaliseConfig, guessManifestType]) {
      expect(() => parse(new Uint8Array(MAX_MANIFEST_SIZE + 1).fill(0x20))).toThrow(LimitError)
      expect(() => parse(encodeUtf8('['.repeat(1_000_000)))).toThrow(LimitError)
      expect(() => parse(encodeUtf8('{"a":'.repeat(1_000_000)))).toThrow(LimitError)
      expect(() => parse(encodeUtf8('{"schemaVersion"'))).toThrow(FormatError)
    }
    expect(() => parseManifest(new Uint8Array([0x7b, 0xff, 0x7d]))).toThrow(FormatError)
  })

  test('a mutated document is read or rejected with a typed error', () => {
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
  ])('a manifest declared as %s with the text %j has the type %s', (declared, value, expected) => {
    expect(guessManifestType(json(value), declared)).toBe(expected)
  })

  test('legacy and unknown manifest types are rejected with an error that names the type', () => {
    const old = 'application/vnd.docker.distribution.manifest.v1+json'
    expect(() => guessManifestType(json({ schemaVersion: 1 }))).toThrow(`unsupported legacy manifest MIME type: ${old}`)
    expect(() => guessManifestType(json({}), 'image/png')).toThrow('unsupported manifest MIME type: image/png')
  })
})

describe.each(PLATFORMS)("Docker's manifests on platform $name", (platform) => {
  const config = encodeUtf8(canonicalJson(transports['oci-zstd'].config))

  test("Docker's manifest converts to the text that the image proxy returns", () => {
    const manifest = json(transports['dir-v2s2'].manifest)
    const converted = convertDockerManifest(platform, manifest, config)
    expect(converted).toEqual(JSON.parse(configs.docker_v2s2_dir.manifest))
    expect(goConfigJson(readGoConfig(config))).toBe(configs.docker_v2s2_dir.config)
  })

  test("Docker's manifest keeps the URLs of foreign layers", () => {
    const layer = {
      ...LAYER,
      mediaType: 'application/vnd.docker.image.rootfs.foreign.diff.tar.gzip',
      urls: ['https://x/'],
    }
    expect(convertDockerManifest(platform, json({ ...MANIFEST, layers: [layer] }), config).layers).toEqual([
      { ...layer, mediaType: 'application/vnd.oci.image.layer.nondistributable.v1.tar+gzip' },
    ])
  })

  test("Docker's manifest may have layers of OCI's types", () => {
    const layers = ['tar', 'tar+gzip', 'tar+zstd'].flatMap((form) => [
      { ...LAYER, mediaType: `application/vnd.oci.image.layer.v1.${form}` },
      { ...LAYER, mediaType: `application/vnd.oci.image.layer.nondistributable.v1.${form}` },
    ])
    expect(convertDockerManifest(platform, json({ ...MANIFEST, layers }), config).layers).toEqual(layers)
  })

  test("Docker's manifest with a layer type that has no OCI counterpart is rejected", () => {
    const manifest = json({ ...MANIFEST, layers: [{ ...LAYER, mediaType: 'text/html' }] })
    expect(() => convertDockerManifest(platform, manifest, config)).toThrow(UnsupportedError)
    expect(() => convertDockerManifest(platform, manifest, config)).toThrow(
      'Unknown media type during manifest conversion: "text/html"',
    )
  })
})
