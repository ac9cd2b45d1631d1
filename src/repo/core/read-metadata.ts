/**
 * Reads and validates metadata objects. A dirtree that is not sorted is refused, as is one with two entries of one
 * name, or a name with a slash. libostree does not check the order, although it finds names by binary search.
 *
 * Source: ostree-core.c, ostree_validate_structureof_{commit,dirtree,dirmeta}.
 */

import { type Checksum, compareUtf8 } from '../../bytes.ts'
import { FormatError, withContext } from '../../errors.ts'
import {
  type Commit,
  type DirMeta,
  DirTree,
  type MetaType,
  validateCommit,
  validateDirMeta,
  validateDirTree,
} from '../../objects/index.ts'
import { type DirTreeChecksums, locateChecksums } from '../../objects/internal.ts'
import type { ObjectReader } from './interface.ts'

async function read<T>(
  reader: ObjectReader,
  type: MetaType,
  checksum: Checksum,
  decode: (bytes: Uint8Array) => T,
): Promise<T> {
  const pending = reader.readMeta(type, checksum)
  const bytes = pending instanceof Promise ? await pending : pending
  try {
    return decode(bytes)
  } catch (error) {
    throw withContext(`${checksum}.${type}`, error)
  }
}

/** Reads a commit. @throws {ObjectNotFoundError} when it does not exist; {FormatError} when it is malformed */
export function readCommit(reader: ObjectReader, checksum: Checksum): Promise<Commit> {
  return read(reader, 'commit', checksum, validateCommit)
}

/** Reads a dirmeta. @throws {ObjectNotFoundError} when it does not exist; {FormatError} when it is malformed */
export function readDirMeta(reader: ObjectReader, checksum: Checksum): Promise<DirMeta> {
  return read(reader, 'dirmeta', checksum, (bytes) => validateDirMeta(bytes))
}

/** Dirmetas kept in the cache. The directories of a tree have few different ones. */
const MAX_CACHED = 256

/** Reads dirmetas through a small cache, for walks over many directories. */
export class DirMetaReader {
  readonly #reader: ObjectReader
  readonly #known = new Map<Checksum, DirMeta>()

  constructor(reader: ObjectReader) {
    this.#reader = reader
  }

  /** Reads a dirmeta; without a promise when it is cached. Errors are those of `readDirMeta`. */
  read(checksum: Checksum): DirMeta | Promise<DirMeta> {
    return this.#known.get(checksum) ?? this.#readNew(checksum)
  }

  async #readNew(checksum: Checksum): Promise<DirMeta> {
    const meta = await readDirMeta(this.#reader, checksum)
    if (this.#known.size >= MAX_CACHED) this.#known.clear()
    this.#known.set(checksum, meta)
    return meta
  }
}

/**
 * Reads a dirtree.
 * @throws {ObjectNotFoundError} when it does not exist
 * @throws {FormatError} when it is malformed, its names are not sorted, or two entries have one name
 */
export function readDirTree(reader: ObjectReader, checksum: Checksum): Promise<DirTree> {
  return read(reader, 'dirtree', checksum, (bytes) => checkedDirTree(bytes, checksum))
}

/** The bytes of a dirtree, and the entries in them. */
export interface DirTreeBytes extends DirTreeChecksums {
  readonly bytes: Uint8Array
  /** Whether these are the stored bytes; otherwise they are its normal form. */
  readonly isNormal: boolean
}

/** Reads a dirtree without creating an object per entry. Errors are those of `readDirTree`. */
export function readDirTreeChecksums(reader: ObjectReader, checksum: Checksum): Promise<DirTreeBytes> {
  return read(reader, 'dirtree', checksum, (bytes) => located(bytes) ?? locatedInNormalForm(bytes, checksum))
}

/**
 * Checks the bytes of a dirtree, and gives access to its entries.
 * @param checksum its checksum, for errors.
 * @throws {FormatError} as `readDirTree` does
 */
export function dirTreeEntries(bytes: Uint8Array, checksum: Checksum): DirTreeBytes {
  try {
    return located(bytes) ?? locatedInNormalForm(bytes, checksum)
  } catch (error) {
    throw withContext(`${checksum}.dirtree`, error)
  }
}

function located(bytes: Uint8Array): DirTreeBytes | undefined {
  const found = locateChecksums(bytes)
  return found && { bytes, files: found.files, dirs: found.dirs, isNormal: bytes.length > 0 }
}

/**
 * Handles a dirtree that `locateChecksums` rejects. Validates it, which throws if it is malformed; otherwise it is only
 * not in normal form, and is encoded again.
 */
function locatedInNormalForm(bytes: Uint8Array, checksum: Checksum): DirTreeBytes {
  const again = located(DirTree.encode(checkedDirTree(bytes, checksum)))
  if (again === undefined) throw new FormatError(`${checksum}.dirtree`, 'Not normal form')
  return { ...again, isNormal: false }
}

/**
 * Decodes the bytes of a dirtree.
 * @param checksum its checksum, for errors
 * @throws {FormatError} as `readDirTree` does, without the name of the object in front of some messages
 */
export function checkedDirTree(bytes: Uint8Array, checksum: Checksum): DirTree {
  const tree = validateDirTree(bytes)
  requireOrder(tree, checksum)
  return tree
}

function requireOrder({ files, dirs }: DirTree, checksum: Checksum): void {
  for (const names of [files, dirs]) {
    for (let i = 1; i < names.length; i++) {
      const previous = names[i - 1]?.name as string
      const name = names[i]?.name as string
      const order = compareUtf8(previous, name)
      if (order === 0) throw new FormatError(`${checksum}.dirtree`, `Duplicate filename ${name}`)
      if (order > 0)
        throw new FormatError(`${checksum}.dirtree`, `Incorrectly sorted filename (prev=${previous}, cur=${name})`)
    }
  }
  // Both lists are sorted, so one walk finds a name in common.
  for (let f = 0, d = 0; f < files.length && d < dirs.length; ) {
    const name = files[f]?.name as string
    const order = compareUtf8(name, dirs[d]?.name as string)
    if (order === 0) throw new FormatError(`${checksum}.dirtree`, `Duplicate filename ${name}`)
    if (order < 0) f++
    else d++
  }
}
