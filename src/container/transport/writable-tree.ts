/** Write access to the files of an image, in a directory or in memory. */
import { streamOf } from '../../bytes.ts'
import type { Platform, WritableFiles } from '../../platform/index.ts'
import type { Digest, StoredBlob } from '../oci/oci-types.ts'
import { type ExpectedBlob, VerifiedBlob } from '../oci/verified-blob.ts'
import { directoryTree, type FileTree, memoryTree } from './file-tree.ts'

/** Directories of an OCI layout, each before those below it. */
export const LAYOUT_DIRECTORIES: readonly string[] = ['blobs', 'blobs/sha256']

/** The files of an image that is being written. Disposing of it removes incomplete files. */
export interface WritableTree extends FileTree, AsyncDisposable {
  /**
   * Writes a file whose name depends on its content. The file exists, whole, when this resolves.
   * @param name called when all of `bytes` was written; when it throws, the file is removed
   */
  put(bytes: AsyncIterable<Uint8Array>, name: () => Promise<string>): Promise<void>
  /** Writes a small file in one step: a reader sees the old one or the new one. */
  replace(path: string, bytes: Uint8Array): Promise<void>
}

/** Returns a tree in memory. @param files contents by path; new files are added to it */
export function memoryWritableTree(files: Map<string, Uint8Array>, what = 'memory'): WritableTree {
  return {
    ...memoryTree(files, what),
    async put(bytes, name) {
      const content = await gather(bytes)
      files.set(await name(), content)
    },
    async replace(path, bytes) {
      files.set(path, new Uint8Array(bytes))
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
 * Returns a tree that writes each file in a temporary directory below `root` and then moves it to its place. Disposing
 * of the tree removes the temporary directory and what is left in it.
 * @param root an existing directory
 * @param directories directories that files will be put into, each before those below it
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
        to = await name()
      } catch (error) {
        await files.remove(from)
        throw error
      }
      await ensureDirectories()
      await files.rename(from, files.join(root, to))
    },
    async replace(path, bytes) {
      const from = await write(streamOf(bytes))
      await files.rename(from, files.join(root, path))
    },
    async [Symbol.asyncDispose]() {
      const made = await stage?.catch(() => undefined)
      if (made !== undefined) await files.remove(made)
    },
  }
}

/**
 * Writes a blob to the file that its digest names, and verifies it on the way.
 * @param expected what the blob has to be; size and digest that are absent are not checked
 * @param nameOf returns the path for a digest
 * @returns digest and size of the blob
 * @throws {DigestMismatchError} when the blob differs from `expected`; the file is then removed
 */
export async function putVerified(
  tree: WritableTree,
  platform: Platform,
  bytes: AsyncIterable<Uint8Array>,
  expected: ExpectedBlob,
  nameOf: (digest: Digest) => string,
): Promise<StoredBlob> {
  const { blob } = await putConverted(tree, platform, bytes, expected, nameOf, (same) => same)
  return blob
}

/**
 * Writes another form of a blob, such as its content without compression, to the file that the digest of that form
 * names. The blob itself is verified as in `putVerified`.
 * @param convert returns the bytes of the file; they must read the blob to its end
 * @returns digest and size of the blob and of the file
 */
export async function putConverted(
  tree: WritableTree,
  platform: Platform,
  bytes: AsyncIterable<Uint8Array>,
  expected: ExpectedBlob,
  nameOf: (digest: Digest) => string,
  convert: (blob: VerifiedBlob) => VerifiedBlob,
): Promise<{ readonly blob: StoredBlob; readonly file: StoredBlob }> {
  await using blob = new VerifiedBlob(platform, bytes, expected)
  await using file = convert(blob)
  await tree.put(file, async () => {
    await blob.finish()
    return nameOf((await file.finish()).digest)
  })
  return { blob: await blob.finish(), file: await file.finish() }
}
