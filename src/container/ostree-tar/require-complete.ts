/** Checks that the layers of an image hold all objects of its commit. */

import type { Checksum } from '../../bytes.ts'
import { NotFoundError, ObjectNotFoundError } from '../../errors.ts'
import { formatObjectName } from '../../objects/index.ts'
import { type ObjectReader, ReachableSet, readCommit } from '../../repo/index.ts'
import { traverseTree } from '../../repo/internal.ts'

/**
 * Looks up every object that a commit needs.
 * @param reader the store that the layers were imported into
 * @throws {NotFoundError} naming the first object that is missing
 */
export async function requireComplete(reader: ObjectReader, commit: Checksum): Promise<void> {
  const { rootTree, rootMeta } = await readCommit(reader, commit)
  const root = { tree: rootTree, meta: rootMeta }
  try {
    for await (const names of traverseTree(reader, root, new ReachableSet())) {
      for (const name of names) {
        const found = reader.has(name)
        if (!(found instanceof Promise ? await found : found)) throw new ObjectNotFoundError(formatObjectName(name))
      }
    }
  } catch (error) {
    if (!(error instanceof ObjectNotFoundError)) throw error
    const [checksum, type] = error.data.object.split('.')
    const message = `Commit ${commit} needs ${type} object ${checksum}, which no layer of the image holds`
    throw new NotFoundError(error.data.object, message, { cause: error })
  }
}
