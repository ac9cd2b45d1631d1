/** Static deltas put together by hand, also such as a sound program does not write. */

import { expect } from 'vitest'
import { type Checksum, concatBytes, encodeUtf8, fromHex, streamOf } from '../../../src/bytes.ts'
import { OstreeError } from '../../../src/errors.ts'
import { byte, variantOf } from '../../../src/gvariant/index.ts'
import {
  Commit,
  checksumFile,
  DirMeta,
  EMPTY_TREE,
  type ObjectType,
  objectTypeNumber,
  S_IFDIR,
  S_IFLNK,
  S_IFREG,
  type Xattrs,
} from '../../../src/objects/index.ts'
import { nodePlatform } from '../../../src/platform/node.ts'
import { DeltaPart, DeltaPayload, pushVaruint, superblockOf } from '../../../src/repo/deltas/format.ts'
import { type ApplyDeltaOptions, applyDelta, type Repo, readSuperblock } from '../../../src/repo/index.ts'

/** An operation: its letter, and its numbers. Large numbers are bigints. */
export type Operation = readonly [letter: string, ...numbers: (number | bigint)[]]

export interface HandmadePart {
  readonly objects: readonly { readonly type: ObjectType | number; readonly checksum: Checksum }[]
  readonly operations: readonly Operation[] | Uint8Array
  readonly blob?: Uint8Array | undefined
  readonly modes?: readonly { readonly uid: number; readonly gid: number; readonly mode: number }[]
  readonly xattrs?: readonly Xattrs[]
  /** Bytes of the objects, as the superblock says. Default: as many as the blob and 1000. */
  readonly unpacked?: bigint
  /** Changes the bytes of the part. */
  readonly edit?: (part: Uint8Array) => Uint8Array
  /** Size and checksum that the superblock says. Default: the right ones. */
  readonly said?: { readonly size?: bigint; readonly checksum?: Checksum; readonly version?: number }
}

export interface HandmadeDelta {
  readonly superblock: Uint8Array
  readonly parts: readonly Uint8Array[]
}

export function encodeOperations(operations: readonly Operation[]): Uint8Array {
  const bytes: number[] = []
  for (const [letter, ...numbers] of operations) {
    bytes.push(letter.charCodeAt(0))
    for (const number of numbers) {
      if (typeof number === 'number') pushVaruint(bytes, number)
      else {
        let rest = number
        for (; rest >= 0x80n; rest >>= 7n) bytes.push(Number(rest & 0x7fn) | 0x80)
        bytes.push(Number(rest))
      }
    }
  }
  return Uint8Array.from(bytes)
}

/** Encodes a delta to a commit that is given as the bytes of its object. */
export function handmadeDelta(commit: Uint8Array, parts: readonly HandmadePart[], from?: Checksum): HandmadeDelta {
  const encoded = parts.map(({ operations, blob = new Uint8Array(), modes = [], xattrs = [], edit }) => {
    const ops = operations instanceof Uint8Array ? operations : encodeOperations(operations)
    const payload = DeltaPayload.encode({ modes, xattrs, blob, operations: ops })
    const part = DeltaPart.encode({ compression: 0, payload })
    return edit?.(part) ?? part
  })
  const superblock = superblockOf('little').encode({
    metadata: [['ostree.endianness', variantOf(byte, 'l'.charCodeAt(0))]],
    timestamp: 0n,
    from,
    to: nodePlatform.sha256(commit),
    commit,
    recurse: new Uint8Array(),
    parts: parts.map(({ objects, blob, unpacked, said }, i) => ({
      version: said?.version ?? 0,
      checksum: said?.checksum ?? nodePlatform.sha256(encoded[i] as Uint8Array),
      size: said?.size ?? BigInt((encoded[i] as Uint8Array).length),
      unpacked: unpacked ?? BigInt((blob?.length ?? 0) + 1000),
      objects: concatBytes(
        objects.flatMap(({ type, checksum }) => [
          Uint8Array.of(typeof type === 'number' ? type : objectTypeNumber(type)),
          fromHex(checksum),
        ]),
      ),
    })),
    fallbacks: [],
  })
  return { superblock, parts: encoded }
}

/** Applies a delta. */
export async function applyHandmade(repo: Repo, delta: HandmadeDelta, options?: ApplyDeltaOptions): Promise<void> {
  await applyDelta(repo, readSuperblock(delta.superblock, repo.platform), {
    openPart: ({ index }) => streamOf(delta.parts[index] as Uint8Array),
    ...options,
  })
}

export const text = (content: string) => encodeUtf8(content)
export const mode = { uid: 0, gid: 0, mode: S_IFREG | 0o644 }
export const link = { uid: 0, gid: 0, mode: S_IFLNK | 0o777 }

/** Returns the name of the file, or symbolic link, with a content. */
export function fileNamed(content: string, { uid, gid, mode: bits }: typeof mode = mode) {
  const symbolic = (bits & 0o170000) === S_IFLNK
  const header = { uid, gid, mode: bits, target: symbolic ? content : '', xattrs: [] }
  const checksum = checksumFile(nodePlatform, header, symbolic ? new Uint8Array() : text(content))
  return { type: 'file' as const, checksum }
}

const rootMeta = DirMeta.encode({ uid: 0, gid: 0, mode: S_IFDIR | 0o755, xattrs: [] })
/** A commit whose tree no delta here has. */
export const commit = Commit.encode({
  metadata: [],
  parent: undefined,
  related: [],
  subject: '',
  body: '',
  timestamp: 0n,
  rootTree: EMPTY_TREE,
  rootMeta: nodePlatform.sha256(rootMeta),
})
export const meta = { type: 'dirmeta' as const, checksum: nodePlatform.sha256(rootMeta) }
export const hello = fileNamed('hello')
/** Creates the file `hello`. */
export const splice: Operation = ['S', 0, 0, 5, 0]

async function listed(repo: Repo): Promise<string[]> {
  const names: string[] = []
  for await (const { checksum, type } of repo.objects.list()) names.push(`${checksum}.${type}`)
  return names.sort()
}

/** Applies a delta that is refused, and expects that nothing was stored. */
export async function failure(repo: Repo, parts: readonly HandmadePart[], options = {}): Promise<OstreeError> {
  const before = await listed(repo)
  const error: unknown = await applyHandmade(repo, handmadeDelta(commit, parts), options).then(
    () => undefined,
    (thrown: unknown) => thrown,
  )
  expect(error).toBeInstanceOf(OstreeError)
  expect(await listed(repo)).toEqual(before)
  return error as OstreeError
}

/** A part that is sound. */
export const sound: HandmadePart = {
  objects: [hello, fileNamed('there', link), meta],
  operations: [splice, ['S', 1, 0, 5, 5], ['S', rootMeta.length, 10]],
  blob: concatBytes([text('hellothere'), rootMeta]),
  modes: [mode, link],
  xattrs: [[]],
}

/** Returns a part that has operations for `hello` only. */
export const one = (operations: readonly Operation[] | Uint8Array, more: Partial<HandmadePart> = {}): HandmadePart => ({
  ...sound,
  objects: [hello],
  operations,
  ...more,
})
