/** The files an image consists of, wherever they lie: a directory, an archive, memory. Paths have `/` and no root. */
import { readAll } from '../../bytes.ts'
import { LimitError, NotFoundError } from '../../errors.ts'
import type { LocalFiles } from '../../platform/index.ts'

export interface FileTree {
  /** Names it in messages. */
  readonly what: string
  /** Bytes of the file; `undefined` when there is no regular file of that name. */
  size(path: string): Promise<number | undefined>
  /** @throws {NotFoundError} */
  stream(path: string): AsyncIterable<Uint8Array>
}

/** @throws {NotFoundError}; {LimitError} when it is larger than `limit` bytes */
export async function readFile(tree: FileTree, path: string, limit: number): Promise<Uint8Array> {
  const tooLarge = () => new LimitError('document size', limit, `${tree.what}: ${path} exceeds ${limit} bytes`, path)
  const size = await tree.size(path)
  if (size === undefined) throw missingFile(tree.what, path)
  if (size > limit) throw tooLarge()
  return await readAll(tree.stream(path), limit, tooLarge)
}

export function missingFile(what: string, path: string): NotFoundError {
  return new NotFoundError(path, `${what}: no such file: ${path}`)
}

/** @param root a directory, in the platform's own terms */
export function directoryTree(files: LocalFiles, root: string): FileTree {
  const size = async (path: string) => {
    const found = await files.stat(files.join(root, path))
    // a pipe or a device might never end
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

/** @param files contents by path; read when asked for, so later changes show */
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
