/** What the conformance suites share: the runner they are given, the store under test, values to fill it with. */

import type * as Vitest from 'vitest'
import type { Checksum, Content } from '../../bytes.ts'
import {
  Commit,
  checksumFile,
  checksumMeta,
  DirMeta,
  DirTree,
  type FileHeader,
  type FileObject,
  type MetaType,
  S_IFDIR,
  S_IFLNK,
  S_IFREG,
} from '../../objects/index.ts'
import type { Platform } from '../../platform/index.ts'
import type { RepoMode, Storage, Transaction } from '../../repo/index.ts'

/** The functions of the test runner: `import * as vitest from 'vitest'` and pass `vitest`. */
export type TestTools = Pick<typeof Vitest, 'describe' | 'test' | 'expect'>

/** A backend, as the suite needs to see it. */
export interface StorageSubject {
  /** The judge of checksums; need not be the one the store uses. */
  readonly platform: Platform
  /** A new, empty storage. The suite disposes it. */
  create(mode: RepoMode): Promise<Storage>
  /**
   * Another handle on the same data, as another process would hold it; `storage` may still be open or may not.
   * Absent in stores that end with their handle.
   */
  reopen?(storage: Storage): Promise<Storage>
  /** Default: archive only. */
  readonly modes?: readonly RepoMode[]
  /** In mode `bare` the inode has to belong to somebody: who, when this process may not give files away. */
  readonly owner?: { readonly uid: number; readonly gid: number } | undefined
  /** Runs of the random comparison with the memory store. Default 30. */
  readonly runs?: number
}

/** One subject in one mode. */
export interface SuiteContext extends TestTools {
  readonly subject: StorageSubject
  readonly mode: RepoMode
  readonly platform: Platform
  /** Headers of regular files this mode can hold; at least one. */
  readonly headers: readonly [FileHeader, ...FileHeader[]]
  readonly symlink: FileHeader
  create(): Promise<Storage>
}

export function text(content: string): Uint8Array {
  return new TextEncoder().encode(content)
}

const xattrs = [
  [text('security.capability'), Uint8Array.of(1, 0, 0, 2, 0, 0x20, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)],
  [text('user.a'), text('value')],
  [text('user.binary'), Uint8Array.of(0xff, 0, 0x80)],
] as const

export function plainHeader(permissions = 0o644): FileHeader {
  return { uid: 0, gid: 0, mode: S_IFREG | permissions, target: '', xattrs: [] }
}

export function suiteContext(tools: TestTools, subject: StorageSubject, mode: RepoMode): SuiteContext {
  const { owner } = subject
  const own = (header: FileHeader): FileHeader =>
    mode === 'bare' && owner ? { ...header, uid: owner.uid, gid: owner.gid } : header
  const rich: FileHeader[] =
    mode === 'bare-user-only'
      ? []
      : [
          { ...plainHeader(0o600), uid: 1000, gid: 100 },
          plainHeader(0o4755),
          { ...plainHeader(0o755), xattrs: mode === 'bare' && owner ? xattrs.slice(1) : xattrs },
        ]
  return {
    describe: tools.describe,
    test: tools.test,
    expect: tools.expect,
    subject,
    mode,
    platform: subject.platform,
    headers: [own(plainHeader()), own(plainHeader(0o755)), ...rich.map(own)],
    symlink: own({ uid: 0, gid: 0, mode: S_IFLNK | 0o777, target: '../usr/lib', xattrs: [] }),
    create: () => subject.create(mode),
  }
}

/** Turns a synchronous throw of a `MaybePromise` function into a rejection. */
export async function attempt<T>(work: () => T | Promise<T>): Promise<T> {
  return await work()
}

export async function collect<T>(items: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = []
  for await (const item of items) all.push(item)
  return all
}

/** Reads content whole, copying each chunk before the next is asked for. */
export async function contentOf(body: Content): Promise<Uint8Array> {
  if (body instanceof Uint8Array) return body
  const chunks: Uint8Array[] = []
  for await (const chunk of body) chunks.push(chunk.slice())
  const whole = new Uint8Array(chunks.reduce((length, chunk) => length + chunk.length, 0))
  let offset = 0
  for (const chunk of chunks) {
    whole.set(chunk, offset)
    offset += chunk.length
  }
  return whole
}

/** Yields `bytes` through one buffer that is overwritten before each next chunk, as a producer is allowed to. */
export async function* reusing(bytes: Uint8Array, chunk: number): AsyncIterable<Uint8Array> {
  const buffer = new Uint8Array(chunk)
  for (let offset = 0; offset < bytes.length; offset += chunk) {
    buffer.fill(0xee)
    const part = bytes.subarray(offset, offset + chunk)
    buffer.set(part)
    yield buffer.subarray(0, part.length)
  }
  buffer.fill(0xee)
}

/** Bytes that neither compress well nor repeat within a chunk; the same for the same seed. */
export function noise(length: number, seed = 1): Uint8Array {
  const bytes = new Uint8Array(length)
  let state = seed | 1
  for (let i = 0; i < length; i++) {
    state = (Math.imul(state, 1103515245) + 12345) | 0
    bytes[i] = state >>> 16
  }
  return bytes
}

export function fileOf(header: FileHeader, body: Uint8Array): FileObject {
  return { header, size: body.length, body }
}

export interface MetaObject {
  readonly type: MetaType
  readonly bytes: Uint8Array
}

export const directory: MetaObject = {
  type: 'dirmeta',
  bytes: DirMeta.encode({ uid: 0, gid: 0, mode: S_IFDIR | 0o755, xattrs: [] }),
}

export const emptyTree: MetaObject = { type: 'dirtree', bytes: DirTree.encode({ files: [], dirs: [] }) }

/** A commit of the empty tree; another one for another subject. Its tree need not be in the store. */
export function commitOf(platform: Platform, subject: string): MetaObject & { readonly checksum: Checksum } {
  const bytes = Commit.encode({
    metadata: [],
    parent: undefined,
    related: [],
    subject,
    body: '',
    timestamp: 1704164645n,
    rootTree: checksumMeta(platform, emptyTree.bytes),
    rootMeta: checksumMeta(platform, directory.bytes),
  })
  return { type: 'commit', bytes, checksum: checksumMeta(platform, bytes) }
}

export function fileChecksum(context: SuiteContext, header: FileHeader, body: Uint8Array): Checksum {
  return checksumFile(context.platform, header, body)
}

/** Names no object. */
export const ABSENT = '00'.repeat(32) as Checksum

/** Runs `work` in a transaction of a new storage and commits it. */
export function storedIn(context: SuiteContext) {
  return async <T>(work: (tx: Transaction) => Promise<T>): Promise<{ storage: Storage; value: T }> => {
    const storage = await context.create()
    const tx = await storage.begin()
    const value = await work(tx)
    await tx.commit()
    return { storage, value }
  }
}
