/** Where the files of a layout are put down, whatever holds them. */
import type { WritableFiles } from '../../platform/index.ts'
import { directoryTree, type FileTree, memoryTree } from './file-tree.ts'

/** Directories of a layout, each before what is in it. */
const LAYOUT_DIRECTORIES = ['blobs', 'blobs/sha256']

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
 */
export async function directoryWritableTree(files: WritableFiles, root: string): Promise<WritableTree> {
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
    for (const path of LAYOUT_DIRECTORIES) await files.createDirectory(files.join(root, path))
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
