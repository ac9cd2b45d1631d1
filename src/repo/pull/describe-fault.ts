/**
 * Says where in a pulled commit a malformed object is, in the words of ostree.
 *
 * Source: ostree-repo-pull.c, scan_commit_object and scan_dirtree_object.
 */

import type { Checksum } from '../../bytes.ts'
import { FormatError } from '../../errors.ts'
import { DirTree, isChecksum, validateFilename } from '../../objects/index.ts'
import type { ObjectReader } from '../core/interface.ts'

/** A directory that waits to be pulled, with the directory that it was found in; `undefined` for the root. */
export interface PulledDirectory {
  readonly checksum: Checksum
  readonly parent: PulledDirectory | undefined
}

/** Returns the error of a malformed commit with ostree's words in front; other errors unchanged. */
export function describeCommitFault(error: unknown, checksum: Checksum): unknown {
  return replaceContext(error, `${checksum}.commit`, () => `Validating commit ${checksum}: `)
}

/**
 * Returns the error of a malformed dirtree with its path and the entry in front; other errors unchanged.
 * @param reader has the dirtree and those above it
 */
export async function describeDirTreeFault(
  error: unknown,
  directory: PulledDirectory,
  reader: ObjectReader,
): Promise<unknown> {
  const { checksum } = directory
  if (!(error instanceof FormatError) || !error.message.startsWith(`${checksum}.dirtree: `)) return error
  const path = await pathOf(directory, reader)
  const entry = faultyEntry(DirTree.decode(await reader.readMeta('dirtree', checksum)), checksum)
  return replaceContext(error, `${checksum}.dirtree`, () => `Validating dirtree ${checksum} (${path}): ${entry}`)
}

function replaceContext(error: unknown, object: string, words: () => string): unknown {
  const context = `${object}: `
  if (!(error instanceof FormatError) || !error.message.startsWith(context)) return error
  return error.withMessage(words() + error.message.slice(context.length), { cause: error })
}

/** Returns the path of a directory in the commit, such as `/` or `/usr/bin/`. */
async function pathOf(directory: PulledDirectory, reader: ObjectReader): Promise<string> {
  let path = '/'
  for (let at = directory; at.parent !== undefined; at = at.parent) {
    const { dirs } = DirTree.decode(await reader.readMeta('dirtree', at.parent.checksum))
    const { name } = dirs.find(({ tree }) => tree === at.checksum) ?? { name: '' }
    path = `/${name}${path}`
  }
  return path
}

/** Returns what ostree says of the first malformed entry; `''` when the fault is not in an entry. */
function faultyEntry({ files, dirs }: DirTree, checksum: Checksum): string {
  const badName = (name: string): boolean => {
    try {
      validateFilename(name)
      return false
    } catch {
      return true
    }
  }
  for (const [i, { name }] of files.entries()) if (badName(name)) return `File ${i} in dirtree: `
  for (const [i, { name, tree, meta }] of dirs.entries()) {
    if (badName(name)) return `Dir ${i} in dirtree: `
    if (!isChecksum(tree)) return `Parsing dirtree ${checksum} tree child ${name}: `
    if (!isChecksum(meta)) return `Parsing dirtree ${checksum} meta child ${name}: `
  }
  return ''
}
