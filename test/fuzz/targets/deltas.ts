/** Static deltas: the superblock, parts, every operation, patches, and the search for similar bytes. */
import { type Checksum, concatBytes, encodeUtf8, streamOf } from '../../../src/bytes.ts'
import { nodePlatform } from '../../../src/platform/node.ts'
import { accessTo, BufferedAccess } from '../../../src/repo/core/scratch.ts'
import { bspatch } from '../../../src/repo/deltas/apply/bspatch.ts'
import { bsdiff } from '../../../src/repo/deltas/compile/bsdiff.ts'
import { divide, findMatches } from '../../../src/repo/deltas/compile/rollsum.ts'
import { DeltaPart, DeltaPayload, pushVaruint } from '../../../src/repo/deltas/format.ts'
import { readSuperblock } from '../../../src/repo/deltas/superblock.ts'
import {
  applyDelta,
  type DeltaPartInfo,
  type DeltaSuperblock,
  inspectDeltaPart,
  type Repo,
} from '../../../src/repo/index.ts'
import { file, storeFile } from '../../../src/testing/index.ts'
import { goldenJson } from '../../support/golden.ts'
import { base64, type FuzzTarget, orTypedLater, requireEqual } from '../target.ts'
import { memoryRepo } from './objects.ts'

const { deltas } = goldenJson<{ deltas: { files_b64: Record<string, string> }[] }>('core/deltas.json')
const files = deltas.flatMap(({ files_b64 }) =>
  Object.entries(files_b64).map(([path, data]) => ({ path, bytes: base64(data) })),
)
const superblocks = files.filter(({ path }) => path.endsWith('superblock')).map(({ bytes }) => bytes)
const parts = files.filter(({ path, bytes }) => /\/\d+$/.test(path) && bytes.length < 1 << 16).map(({ bytes }) => bytes)

/** Applies a part whose size and checksum are those of the superblock, as when its server made it. */
async function applyPart(repo: Repo, input: Uint8Array, names: readonly Named[]): Promise<void> {
  const golden = readSuperblock(superblocks[0] as Uint8Array, nodePlatform)
  const part: DeltaPartInfo = {
    index: 0,
    path: 'deltas/a/b/0',
    size: BigInt(input.length),
    checksum: nodePlatform.sha256(input),
    unpacked: 1n << 20n,
    count: names.length,
    objects: () => names,
    inline: undefined,
  }
  const delta: DeltaSuperblock = { ...golden, from: undefined, fallbacks: [], parts: [part] }
  await orTypedLater(() => inspectDeltaPart(repo, part, streamOf(input)))
  await applyDelta(repo, delta, { openPart: () => streamOf(input) })
}

interface Named {
  readonly type: 'file' | 'dirtree' | 'dirmeta'
  readonly checksum: Checksum
}

/** Content of the stored file that operations may read, and of the files that the seeds make. */
const OLD = encodeUtf8('the quick brown fox jumps over the lazy dog\n'.repeat(20))
const NEW = concatBytes([OLD.subarray(0, 300), encodeUtf8('and on'), OLD.subarray(250)])
const PATCH = bsdiff(OLD, NEW)
const META_TREE = new Uint8Array(0)
const PLAIN = { mode: 0o100644, xattrs: [] } as const
const hex = (checksum: Checksum): Uint8Array => new Uint8Array(Buffer.from(checksum, 'hex'))

async function storedFiles(): Promise<{ repo: Repo; old: Checksum; next: Checksum }> {
  const other = await memoryRepo()
  const next = await other.transaction((tx) => storeFile(tx, file(NEW, PLAIN)))
  const repo = await memoryRepo()
  const old = await repo.transaction((tx) => storeFile(tx, file(OLD, PLAIN)))
  return { repo, old, next }
}
const { old, next } = await storedFiles()

/** The blob of the parts with any operations: a checksum, the new content, and a patch. */
const BLOB = concatBytes([hex(old), NEW, PATCH])
const AT = { content: 32, patch: 32 + NEW.length }

function operations(...list: readonly (readonly [letter: string, ...numbers: number[]])[]): Uint8Array {
  const bytes: number[] = []
  for (const [letter, ...numbers] of list) {
    bytes.push(letter.charCodeAt(0))
    for (const number of numbers) pushVaruint(bytes, number)
  }
  return Uint8Array.from(bytes)
}

function partOf(ops: Uint8Array): Uint8Array {
  const payload = DeltaPayload.encode({
    modes: [{ uid: 0, gid: 0, mode: PLAIN.mode }],
    xattrs: [[]],
    blob: BLOB,
    operations: ops,
  })
  return DeltaPart.encode({ compression: 0, payload })
}

const PROGRAMS = [
  operations(['S', 0, 0, NEW.length, AT.content]),
  operations(['o', 0, 0, NEW.length], ['w', NEW.length, AT.content], ['c']),
  operations(['r', 0], ['o', 0, 0, NEW.length], ['w', 300, 0], ['R'], ['w', NEW.length - 300, AT.content + 300], ['c']),
  operations(['o', 0, 0, NEW.length], ['r', 0], ['B', AT.patch, PATCH.length], ['c']),
  operations(['r', 0], ['B', AT.patch, PATCH.length], ['o', 0, 0, NEW.length], ['c'], ['S', 0, 0, 1, 1]),
]
const NAMES: readonly Named[] = [{ type: 'file', checksum: next }]

/** A number of 32 bits, little-endian, and bytes. */
const sized = (size: number, bytes: Uint8Array): Uint8Array =>
  concatBytes([Uint8Array.of(size & 255, (size >> 8) & 255, (size >> 16) & 255, (size >> 24) & 255), bytes])

export const DELTA_TARGETS: readonly FuzzTarget[] = [
  { name: 'delta superblock', share: 1, seeds: superblocks, run: (input) => readSuperblock(input, nodePlatform) },
  {
    name: 'delta part',
    share: 0.05,
    seeds: [...parts.slice(0, 8), ...PROGRAMS.map(partOf)],
    run: async (input) => applyPart((await storedFiles()).repo, input, NAMES),
  },
  {
    name: 'delta operations',
    share: 0.3,
    seeds: PROGRAMS,
    run: async (input) => applyPart((await storedFiles()).repo, partOf(input), NAMES),
  },
  {
    name: 'delta patch',
    share: 3,
    seeds: [
      sized(NEW.length, PATCH),
      sized(OLD.length, bsdiff(NEW, OLD)),
      sized(3, bsdiff(META_TREE, OLD.subarray(0, 3))),
    ],
    run(input) {
      const size = new DataView(concatBytes([input.subarray(0, 4), new Uint8Array(4)]).buffer).getUint32(0, true)
      const access = (bytes: Uint8Array): BufferedAccess => new BufferedAccess(accessTo(bytes))
      const span = { start: Math.min(4, input.length), end: input.length }
      let made = 0
      for (const piece of bspatch(access(OLD), access(input), span, size % (1 << 24))) made += piece.length
      if (made !== size % (1 << 24)) throw new Error(`${made} bytes in place of ${size}`)
    },
  },
  {
    // The old and the new content, with the length of the first before them.
    name: 'bsdiff and rollsum',
    share: 0.2,
    seeds: [sized(OLD.length, concatBytes([OLD, NEW])), sized(4, encodeUtf8('aaaaaaaaaaab'))],
    async run(input) {
      const length = ((input[0] ?? 0) | ((input[1] ?? 0) << 8)) % (input.length + 1)
      const before = input.slice(4, 4 + length)
      const after = input.slice(4 + length)
      const patch = bsdiff(before, after)
      const access = (bytes: Uint8Array): BufferedAccess => new BufferedAccess(accessTo(bytes))
      const made: Uint8Array[] = []
      const span = { start: 0, end: patch.length }
      for (const piece of bspatch(access(before), access(patch), span, after.length)) made.push(piece.slice())
      requireEqual(concatBytes(made), after, 'the patched content')
      findMatches(await divide(before, nodePlatform), await divide(after, nodePlatform))
    },
  },
]
