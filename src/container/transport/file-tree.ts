/** Read access to the files of an image, in a directory, an archive, or memory. Paths are relative and contain `/`. */
import { readAll } from '../../bytes.ts'
import { LimitError, NotFoundError } from '../../errors.ts'
import type { LocalFiles } from '../../platform/index.ts'

/** The files of an image, by relative path. */
export interface FileTree {
  /** Name of the tree in messages. */
  readonly what: string
  /** Returns the size of a file in bytes; `undefined` when there is no regular file of that name. */
  size(path: string): Promise<number | undefined>
  /** Returns the path of the file that links lead to from `path`; `undefined` when it does not exist. */
  target?(path: string): string | undefined
  /** Reads a file. @throws {NotFoundError} when there is no regular file of that name */
  stream(path: string): AsyncIterable<Uint8Array>
}

/** Reads a whole file. @throws {NotFoundError} when it is missing; {LimitError} when it is larger than `limit` bytes */
export async function readFile(tree: FileTree, path: string, limit: number): Promise<Uint8Array> {
  const tooLarge = () => new LimitError('document size', limit, `${tree.what}: ${path} exceeds ${limit} bytes`, path)
  const size = await tree.size(path)
  if (size === undefined) throw missingFile(tree.what, path)
  if (size > limit) throw tooLarge()
  return await readAll(tree.stream(path), limit, tooLarge)
}

/** Returns the error for a file that is not in the tree `what`. */
export function missingFile(what: string, path: string): NotFoundError {
  return new NotFoundError(path, `${what}: no such file: ${path}`)
}

/** Returns the files below a directory. @param root path of the directory, in the form that the platform uses */
export function directoryTree(files: LocalFiles, root: string): FileTree {
  const size = async (path: string) => {
    const found = await files.stat(files.join(root, path))
    // Other kinds are not read: a pipe or a device might never end.
    return found?.kind === 'file' ? found.size : undefined
  }
  return {
    what: root,
    size,
    async *stream(path) {
      if ((await size(path)) === undefined) throw missingFile(root, path)
      yield* files.stream(files.join(root, path))
    },
  }
}

/** Returns a tree of files in memory. @param files contents by path; later changes of it are visible in the tree */
export function memoryTree(files: ReadonlyMap<string, Uint8Array>, what = 'memory'): FileTree {
  return {
    what,
    size: async (path) => files.get(path)?.length,
    async *stream(path) {
      const bytes = files.get(path)
      if (bytes === undefined) throw missingFile(what, path)
      if (bytes.length > 0) yield bytes
    },
  }
}
