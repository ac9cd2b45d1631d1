/** Gives a complete tree to a writer: every directory, then its entries, a hard link behind its first name. */

import type { MaybePromise } from '../../bytes.ts'
import type { FileObject } from '../../objects/index.ts'
import type { ProgressOptions } from '../../progress.ts'
import { yieldToEventLoop } from '../../repo/internal.ts'
import { Directory, type Inode, type RootWriter } from './root-tree.ts'

/** Entries between two events, and between two returns to the event loop. */
const PIECE = 500

/** Where the content of the files of a tree is. */
export interface FileSource {
  /** Opens the content of a file that is not empty. */
  read(inode: Inode): MaybePromise<FileObject>
  /** Makes a file without reading it. @returns false if it has to be read and written */
  link?(parent: Directory, name: string, inode: Inode): boolean
}

/**
 * Writes all of a tree.
 * @throws what the writer and the source throw; the reason of the signal
 */
export async function writeRoot(
  root: Directory,
  writer: RootWriter,
  source: FileSource,
  { signal, onProgress }: ProgressOptions,
): Promise<void> {
  const first = new Map<Inode, readonly [Directory, string]>()
  const waiting: Directory[] = [root]
  let done = 0
  for (let directory = waiting.pop(); directory !== undefined; directory = waiting.pop()) {
    for (const [name, child] of directory.children) {
      if (++done % PIECE === 0) {
        await yieldToEventLoop(signal)
        onProgress?.({ kind: 'entries', done })
      }
      if (child instanceof Directory) {
        writer.makeDirectory(child)
        waiting.push(child)
        continue
      }
      const { inode } = child
      const known = first.get(inode)
      if (known !== undefined) {
        writer.link(directory, name, ...known)
        continue
      }
      if (inode.links > 1) first.set(inode, [directory, name])
      if (inode.kind === 'file' && inode.size > 0 && source.link?.(directory, name, inode)) continue
      // Read before the file is made, since making it may replace `content`.
      const file = inode.kind === 'file' && inode.size > 0 ? source.read(inode) : undefined
      const { body } = file instanceof Promise ? await file : (file ?? {})
      writer.make(directory, name, inode)
      if (body instanceof Uint8Array) writer.data(body)
      else if (body !== undefined) for await (const chunk of body) writer.data(chunk)
      if (inode.kind === 'file') writer.end(inode)
    }
  }
  onProgress?.({ kind: 'entries', done })
}
