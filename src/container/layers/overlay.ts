/**
 * Lays the tree of a layer over the layers below, as an overlay file system shows it:
 *
 * ```
 * .wh.NAME         removes NAME of the layers below
 * .wh..wh..opq     removes everything that the layers below have in its directory
 * ```
 *
 * Two rules differ from those of OCI, because libostree's do, by which existing stores were written: a directory that
 * exists keeps its owner, mode and attributes; and files are processed before directories, in byte order of their names,
 * so that a whiteout also removes a file of the same layer that sorts before it.
 *
 * Source: libostree, ostree-repo-checkout.c, checkout_tree_at_recurse with process_whiteouts (2024.5 and later).
 */

import { FormatError } from '../../errors.ts'
import { isSymlink } from '../../objects/index.ts'
import { type MutableTree, type ObjectReader, readDirTree, type TreeRoot } from '../../repo/index.ts'
import { OPAQUE_WHITEOUT, Pauses, WHITEOUT_PREFIX } from '../../repo/internal.ts'
import { StoredSubtrees } from './stored-subtrees.ts'

export interface OverlayOptions {
  /** What is known of the directories of the layers. Default: nothing is. */
  readonly subtrees?: StoredSubtrees | undefined
  readonly signal?: AbortSignal | undefined
}

/**
 * Changes `onto` in place. Only the directories that the layer has are read. A directory that only the layer has, without
 * whiteouts in it, is referred to. A root without dirmeta gets the layer's.
 * @throws {FormatError} on a whiteout without a name, of `.` or of `..`
 */
export async function overlayLayer(
  onto: MutableTree,
  reader: ObjectReader,
  layer: TreeRoot,
  { signal, subtrees = new StoredSubtrees(reader, undefined, signal) }: OverlayOptions = {},
): Promise<void> {
  const pauses = new Pauses(signal)
  const waiting: [MutableTree, TreeRoot][] = [[onto, layer]]
  for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
    const pause = pauses.next()
    if (pause !== undefined) await pause
    const [target, source] = next
    const { files, dirs } = await readDirTree(reader, source.tree)
    await target.load()
    if (files.some(({ name }) => name === OPAQUE_WHITEOUT)) {
      clear(target)
      target.setMeta(source.meta)
    } else if (target.meta === undefined) {
      target.setMeta(source.meta)
    }

    for (const { name, checksum } of files) {
      if (name.startsWith(WHITEOUT_PREFIX) && !isSymlink((await reader.statFile(checksum)).header)) {
        target.remove(whitedOut(name))
        continue
      }
      if (target.dirs.has(name)) target.remove(name)
      target.replaceFile(name, checksum)
    }
    for (const { name, tree, meta } of dirs) {
      if (target.files.has(name)) target.remove(name)
      const isNew = !target.dirs.has(name)
      const child = target.ensureDir(name)
      if (isNew && (await subtrees.of(tree)).isPlain) child.fillEmpty(reader, { tree, meta })
      else waiting.push([child, { tree, meta }])
    }
  }
}

function whitedOut(name: string): string {
  const rest = name.slice(WHITEOUT_PREFIX.length)
  if (rest === '') throw new FormatError('layer', "Invalid empty whiteout ''")
  if (rest === '.' || rest === '..') throw new FormatError('layer', `Invalid whiteout '${name}'`)
  return rest
}

function clear(tree: MutableTree): void {
  for (const name of [...tree.files.keys(), ...tree.dirs.keys()]) tree.remove(name)
}
