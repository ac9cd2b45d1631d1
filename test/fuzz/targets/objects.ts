/** Objects of a repository, the summary, and what else has the form of a GVariant. */
import fc from 'fast-check'
import { type Checksum, encodeUtf8 } from '../../../src/bytes.ts'
import { type Codec, vardict } from '../../../src/gvariant/index.ts'
import { Commit, DirMeta, DirTree, decodeFilezHeader, validateMeta } from '../../../src/objects/index.ts'
import { nodePlatform } from '../../../src/platform/node.ts'
import { createMemoryStorage, Repo } from '../../../src/repo/index.ts'
import { formatRawSummary, formatSummary } from '../../../src/repo/internal.ts'
import { readDeltaIndex } from '../../../src/repo/pull/remote/delta-choice.ts'
import { storeFilez } from '../../../src/repo/pull/remote/filez.ts'
import { Summary } from '../../../src/repo/summary/format.ts'
import { anyMetaObject } from '../../../src/testing/index.ts'
import { goldenJson } from '../../support/golden.ts'
import { base64, type FuzzTarget, orTyped, requireRoundTrip } from '../target.ts'

const golden = goldenJson<{ checksum: Checksum; suffix: string; data_b64: string }[]>('core/objects-archive.json')
const objectsOf = (suffix: string): Uint8Array[] =>
  golden
    .filter((object) => object.suffix === suffix && object.data_b64.length < 20_000)
    .map(({ data_b64 }) => base64(data_b64))
const made = fc.sample(anyMetaObject, { numRuns: 60, seed: 1 })
const metas = { commit: Commit, dirtree: DirTree, dirmeta: DirMeta } as const
const seedsOf = (type: keyof typeof metas): Uint8Array[] => [
  ...objectsOf(type),
  ...made.filter((each) => each.type === type).map(({ bytes }) => bytes),
]

export async function memoryRepo(mode: 'archive' | 'bare-user-only' = 'bare-user-only'): Promise<Repo> {
  return Repo.open(createMemoryStorage({ mode, platform: nodePlatform }), nodePlatform)
}

const SUM = 'ab'.repeat(32) as Checksum
const SUMMARY = Summary.encode({
  refs: [
    {
      name: 'main',
      latest: {
        size: 5n,
        commit: SUM,
        metadata: [['ostree.commit.timestamp', { type: 't', bytes: new Uint8Array(8) }]],
      },
    },
    { name: 'other/branch', latest: { size: 1n, commit: 'cd'.repeat(32) as Checksum, metadata: [] } },
  ],
  metadata: [
    ['ostree.summary.mode', { type: 's', bytes: encodeUtf8('archive-z2\0') }],
    ['ostree.summary.last-modified', { type: 't', bytes: new Uint8Array(8) }],
    ['ostree.summary.tombstone-commits', { type: 'b', bytes: new Uint8Array(1) }],
  ],
})

const DICTS = [
  ...objectsOf('commitmeta'),
  vardict.encode([]),
  vardict.encode([
    ['ostree.sign.ed25519', { type: 'aay', bytes: new Uint8Array(65) }],
    ['ostree.gpgsigs', { type: 'aay', bytes: Uint8Array.of(1, 2, 3, 3) }],
  ]),
]

export const OBJECT_TARGETS: readonly FuzzTarget[] = [
  ...(['commit', 'dirtree', 'dirmeta'] as const).map((type) => ({
    name: `object ${type}`,
    share: 4,
    seeds: seedsOf(type),
    run(input: Uint8Array) {
      validateMeta(type, input)
      const codec = metas[type] as Codec<unknown>
      requireRoundTrip(codec, codec.decode(input))
    },
  })),
  ...(['commit', 'dirtree', 'dirmeta'] as const).map((type) => ({
    name: `object ${type}, not validated`,
    share: 2,
    seeds: seedsOf(type),
    run: (input: Uint8Array) => metas[type].decode(input),
  })),
  { name: 'detached metadata', share: 2, seeds: DICTS, run: (input) => validateMeta('commitmeta', input) },
  {
    name: 'filez',
    share: 0.3,
    seeds: objectsOf('filez'),
    async run(input) {
      decodeFilezHeader(input, input.length)
      const repo = await memoryRepo()
      await using tx = await repo.begin()
      const body = [input.subarray(0, 100), input.subarray(100), undefined]
      const source = { next: async () => body.shift() }
      await storeFilez(source, SUM, { tx, platform: nodePlatform, bareUserOnly: false })
    },
  },
  {
    name: 'summary',
    share: 4,
    seeds: [SUMMARY],
    run(input) {
      const summary = Summary.decode(input)
      orTyped(() => formatSummary(input))
      orTyped(() => formatRawSummary(input))
      requireRoundTrip(Summary, summary)
    },
  },
  {
    name: 'signatures',
    share: 4,
    seeds: DICTS,
    run(input) {
      requireRoundTrip(vardict, vardict.decode(input))
    },
  },
  {
    name: 'delta index',
    share: 2,
    seeds: [
      vardict.encode([]),
      vardict.encode([
        [
          'ostree.static-deltas',
          { type: 'a{sv}', bytes: vardict.encode([[`${SUM}-${SUM}`, { type: 'ay', bytes: new Uint8Array(32) }]]) },
        ],
      ]),
    ],
    run: readDeltaIndex,
  },
]
