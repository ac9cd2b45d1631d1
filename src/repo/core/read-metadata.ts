/**
 * Metadata objects as values, checked before anybody relies on them. libostree looks names up by binary search and so
 * trusts a dirtree to be sorted; here one that is not is refused, and with it every later surprise (two files of one
 * name, a name with a slash that would leave the tree).
 *
 * Source: ostree-core.c, ostree_validate_structureof_{commit,dirtree,dirmeta}.
 */

import { type Checksum, compareUtf8 } from '../../bytes.ts'
import { FormatError, withContext } from '../../errors.ts'
import {
  type Commit,
  type DirMeta,
  DirTree,
  type DirTreeChecksums,
  locateChecksums,
  type MetaType,
  validateCommit,
  validateDirMeta,
  validateDirTree,
} from '../../objects/index.ts'
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

/** @throws {ObjectNotFoundError}, {FormatError} */
export function readCommit(reader: ObjectReader, checksum: Checksum): Promise<Commit> {
  return read(reader, 'commit', checksum, validateCommit)
}

/** @throws {ObjectNotFoundError}, {FormatError} */
export function readDirMeta(reader: ObjectReader, checksum: Checksum): Promise<DirMeta> {
  return read(reader, 'dirmeta', checksum, (bytes) => validateDirMeta(bytes))
}

/** Directories of one tree have few dirmetas among them. */
const MAX_REMEMBERED = 256

/** Reads dirmetas and remembers some, for a walk over many directories. */
export class DirMetaReader {
  readonly #reader: ObjectReader
  readonly #known = new Map<Checksum, DirMeta>()

  constructor(reader: ObjectReader) {
    this.#reader = reader
  }

  /** As `readDirMeta`. */
  read(checksum: Checksum): DirMeta | Promise<DirMeta> {
    return this.#known.get(checksum) ?? this.#readNew(checksum)
  }

  async #readNew(checksum: Checksum): Promise<DirMeta> {
    const meta = await readDirMeta(this.#reader, checksum)
    if (this.#known.size >= MAX_REMEMBERED) this.#known.clear()
    this.#known.set(checksum, meta)
    return meta
  }
}

/** @throws {ObjectNotFoundError}, {FormatError} also when names are unsorted, double, or both a file and a directory */
export function readDirTree(reader: ObjectReader, checksum: Checksum): Promise<DirTree> {
  return read(reader, 'dirtree', checksum, (bytes) => checkedDirTree(bytes, checksum))
}

/** Bytes of a dirtree, and where in them the checksums are. */
export interface DirTreeBytes extends DirTreeChecksums {
  readonly bytes: Uint8Array
}

/** Without making values of it. @throws as `readDirTree` */
export function readDirTreeChecksums(reader: ObjectReader, checksum: Checksum): Promise<DirTreeBytes> {
  return read(reader, 'dirtree', checksum, (bytes) => located(bytes) ?? locatedWithCare(bytes, checksum))
}

function located(bytes: Uint8Array): DirTreeBytes | undefined {
  const found = locateChecksums(bytes)
  return found && { bytes, files: found.files, dirs: found.dirs }
}

/** Tells what is wrong, or, should there be nothing, makes the bytes such that all is as usual. */
function locatedWithCare(bytes: Uint8Array, checksum: Checksum): DirTreeBytes {
  const again = located(DirTree.encode(checkedDirTree(bytes, checksum)))
  if (again === undefined) throw new FormatError(`${checksum}.dirtree`, 'Not normal form')
  return again
}

/** As `readDirTree`, of bytes that were read already. @throws {FormatError} */
export function decodeDirTree(bytes: Uint8Array, checksum: Checksum): DirTree {
  try {
    return checkedDirTree(bytes, checksum)
  } catch (error) {
    throw withContext(`${checksum}.dirtree`, error)
  }
}

function checkedDirTree(bytes: Uint8Array, checksum: Checksum): DirTree {
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
