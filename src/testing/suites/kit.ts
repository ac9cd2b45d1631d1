/** Shared parts of the conformance suites: the test runner, the store under test, and sample objects. */

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

/** Functions of the test runner: `import * as vitest from 'vitest'` and pass `vitest`. */
export type TestTools = Pick<typeof Vitest, 'describe' | 'test' | 'expect'>

/** A storage backend under test. */
export interface StorageSubject {
  /** Computes the expected checksums; may differ from the platform of the store. */
  readonly platform: Platform
  /** Creates an empty storage, which the suite disposes. */
  create(mode: RepoMode): Promise<Storage>
  /**
   * Opens another handle on the same data, as another process would; `storage` may be open or disposed. Absent for
   * stores whose data is lost with their handle.
   */
  reopen?(storage: Storage): Promise<Storage>
  /**
   * Opens a copy of the data as it is at this moment, as it would be after the process was killed. `storage` stays open and
   * is not used any more. The crashes of `repoCommands` and `imageCacheCommands` need it.
   */
  afterCrash?(storage: Storage): Promise<Storage>
  /** Default: archive only. */
  readonly modes?: readonly RepoMode[]
  /** Owner of files in mode `bare`, for a process that may not change owners; default: owners vary. */
  readonly owner?: { readonly uid: number; readonly gid: number } | undefined
  /** Runs of the random comparison with the memory store. Default 30. */
  readonly runs?: number
}

/** A subject in one mode. */
export interface SubjectContext {
  readonly subject: StorageSubject
  readonly mode: RepoMode
  readonly platform: Platform
  /** Headers of regular files that this mode can store; at least one. */
  readonly headers: readonly [FileHeader, ...FileHeader[]]
  /** Header of a symbolic link. */
  readonly symlink: FileHeader
  /** Creates an empty storage of the subject. */
  create(): Promise<Storage>
}

/** A subject in one mode, with the tools of the suites. */
export interface SuiteContext extends SubjectContext, TestTools {}

/** Encodes text as UTF-8. */
export function text(content: string): Uint8Array {
  return new TextEncoder().encode(content)
}

const xattrs = [
  [text('security.capability'), Uint8Array.of(1, 0, 0, 2, 0, 0x20, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)],
  [text('user.a'), text('value')],
  [text('user.binary'), Uint8Array.of(0xff, 0, 0x80)],
] as const

/** Returns the header of a regular file of owner 0:0 without xattrs. */
export function plainHeader(permissions = 0o644): FileHeader {
  return { uid: 0, gid: 0, mode: S_IFREG | permissions, target: '', xattrs: [] }
}

/** Creates the context of a subject in one mode, with the tools of the suites. */
export function suiteContext(tools: TestTools, subject: StorageSubject, mode: RepoMode): SuiteContext {
  const { describe, test, expect } = tools
  return { describe, test, expect, ...subjectContext(subject, mode) }
}

/** Creates the context of a subject in one mode. */
export function subjectContext(subject: StorageSubject, mode: RepoMode): SubjectContext {
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

/** Reads all items into an array. */
export async function collect<T>(items: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = []
  for await (const item of items) all.push(item)
  return all
}

/** Reads all content, copying each chunk before the next one is requested. */
export async function contentOf(body: Content): Promise<Uint8Array> {
  if (body instanceof Uint8Array) return body
  const chunks: Uint8Array[] = []
  for await (const chunk of body) chunks.push(new Uint8Array(chunk))
  const whole = new Uint8Array(chunks.reduce((length, chunk) => length + chunk.length, 0))
  let offset = 0
  for (const chunk of chunks) {
    whole.set(chunk, offset)
    offset += chunk.length
  }
  return whole
}

/** Yields `bytes` through one buffer that is overwritten before each next chunk, which `Content` allows. */
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

/** Generates bytes that do not compress well and do not repeat within a chunk; deterministic for a seed. */
export function noise(length: number, seed = 1): Uint8Array {
  const bytes = new Uint8Array(length)
  let state = seed | 1
  for (let i = 0; i < length; i++) {
    state = (Math.imul(state, 1103515245) + 12345) | 0
    bytes[i] = state >>> 16
  }
  return bytes
}

/** Creates a file object. */
export function fileOf(header: FileHeader, body: Uint8Array): FileObject {
  return { header, size: body.length, body }
}

/** An encoded metadata object. */
export interface MetaObject {
  readonly type: MetaType
  readonly bytes: Uint8Array
}

/** A dirmeta: mode 0755, owner 0:0. */
export const directory: MetaObject = {
  type: 'dirmeta',
  bytes: DirMeta.encode({ uid: 0, gid: 0, mode: S_IFDIR | 0o755, xattrs: [] }),
}

/** The empty dirtree. */
export const emptyTree: MetaObject = { type: 'dirtree', bytes: DirTree.encode({ files: [], dirs: [] }) }

/** Encodes a commit of the empty tree with the given subject. Its tree is not stored. */
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

/** Computes the expected checksum of a file. */
export function fileChecksum(context: SubjectContext, header: FileHeader, body: Uint8Array): Checksum {
  return checksumFile(context.platform, header, body)
}

/** A checksum that no object has. */
export const ABSENT = '00'.repeat(32) as Checksum

/** Returns a function that runs `work` in a transaction of a new storage and commits it. */
export function storedIn(context: SuiteContext) {
  return async <T>(work: (tx: Transaction) => Promise<T>): Promise<{ storage: Storage; value: T }> => {
    const storage = await context.create()
    const tx = await storage.begin()
    const value = await work(tx)
    await tx.commit()
    return { storage, value }
  }
}
