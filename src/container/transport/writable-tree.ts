/** Where the files of a layout are put down, whatever holds them. */
import { DigestMismatchError, UsageError } from '../../errors.ts'
import type { Platform, WritableFiles } from '../../platform/index.ts'
import { digestOf } from '../oci/digest.ts'
import type { Digest } from '../oci/oci-types.ts'
import type { PutBlobOptions, StoredBlob } from './destination.ts'
import { directoryTree, type FileTree, memoryTree } from './file-tree.ts'

/** Directories of an OCI layout, each before what is in it. */
export const LAYOUT_DIRECTORIES: readonly string[] = ['blobs', 'blobs/sha256']

export interface WritableTree extends FileTree, AsyncDisposable {
  /**
   * Puts a file down under a name that its content decides; it is there, whole, when this resolves.
   * @param name called when all of `bytes` was taken; what it throws undoes the file
   */
  put(bytes: AsyncIterable<Uint8Array>, name: () => string): Promise<void>
  /** A small file, in one step: who reads it sees the old one or the new one. */
  replace(path: string, bytes: Uint8Array): Promise<void>
}

/** @param files contents by path; written to */
export function memoryWritableTree(files: Map<string, Uint8Array>, what = 'memory'): WritableTree {
  return {
    ...memoryTree(files, what),
    async put(bytes, name) {
      const content = await gather(bytes)
      files.set(name(), content)
    },
    async replace(path, bytes) {
      files.set(path, bytes.slice())
    },
    async [Symbol.asyncDispose]() {},
  }
}

async function gather(bytes: AsyncIterable<Uint8Array>): Promise<Uint8Array> {
  let content = new Uint8Array(1 << 16)
  let length = 0
  for await (const chunk of bytes) {
    if (length + chunk.length > content.length) {
      const grown = new Uint8Array(Math.max(content.length * 2, length + chunk.length))
      grown.set(content.subarray(0, length))
      content = grown
    }
    content.set(chunk, length)
    length += chunk.length
  }
  return content.slice(0, length)
}

/**
 * Files are written in a directory of their own below `root` and moved to their places; that directory goes with the
 * tree, and what was not moved with it.
 * @param root an existing directory
 * @param directories that files will be put into, each before what is in it
 */
export async function directoryWritableTree(
  files: WritableFiles,
  root: string,
  directories: readonly string[] = LAYOUT_DIRECTORIES,
): Promise<WritableTree> {
  let stage: Promise<string> | undefined
  let count = 0
  let hasDirectories = false
  const write = async (bytes: AsyncIterable<Uint8Array>): Promise<string> => {
    stage ??= files.createTemporary(root)
    const path = files.join(await stage, String(count++))
    const file = await files.createFile(path)
    let isWhole = false
    try {
      for await (const chunk of bytes) await file.write(chunk)
      isWhole = true
    } finally {
      await file.close(isWhole)
    }
    return path
  }
  const ensureDirectories = async () => {
    if (hasDirectories) return
    for (const path of directories) await files.createDirectory(files.join(root, path))
    hasDirectories = true
  }
  return {
    ...directoryTree(files, root),
    async put(bytes, name) {
      const from = await write(bytes)
      let to: string
      try {
        to = name()
      } catch (error) {
        await files.remove(from)
        throw error
      }
      await ensureDirectories()
      await files.rename(from, files.join(root, to))
    },
    async replace(path, bytes) {
      const from = await write(one(bytes))
      await files.rename(from, files.join(root, path))
    },
    async [Symbol.asyncDispose]() {
      const made = await stage?.catch(() => undefined)
      if (made !== undefined) await files.remove(made)
    },
  }
}

async function* one(bytes: Uint8Array): AsyncGenerator<Uint8Array, void, undefined> {
  yield bytes
}

/**
 * Puts a blob down under the name its digest gives it, if it is what was promised.
 * @param convert what is put down in the place of its bytes; has to read them all
 * @throws {DigestMismatchError}
 */
export async function putVerified(
  tree: WritableTree,
  platform: Platform,
  bytes: AsyncIterable<Uint8Array>,
  promised: PutBlobOptions,
  nameOf: (digest: Digest) => string,
  convert: (blob: AsyncIterable<Uint8Array>) => AsyncIterable<Uint8Array> = (blob) => blob,
): Promise<StoredBlob> {
  const sum = platform.createSha256()
  let size = 0
  async function* measured() {
    for await (const chunk of bytes) {
      size += chunk.length
      if (promised.size !== undefined && size > promised.size) throw wrongSize(promised, promised.size, size)
      sum.update(chunk)
      yield chunk
    }
  }
  let digest: Digest | undefined
  await tree.put(convert(measured()), () => {
    digest = digestOf(sum.digest())
    if (promised.size !== undefined && size !== promised.size) throw wrongSize(promised, promised.size, size)
    if (promised.digest !== undefined && digest !== promised.digest) {
      throw new DigestMismatchError('digest', promised.digest, promised.digest, digest)
    }
    return nameOf(digest)
  })
  if (digest === undefined) throw new UsageError(`${tree.what}: a blob was not stored`)
  return { digest, size }
}

function wrongSize({ digest = 'without a digest' }: { digest?: string | undefined }, expected: number, actual: number) {
  return new DigestMismatchError('size', digest, expected, actual)
}
