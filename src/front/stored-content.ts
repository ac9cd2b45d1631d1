/** The content of the files of an image whose layers are in a store. */

import type { Checksum, Content, MaybePromise } from '../bytes.ts'
import { EMPTY_BYTES } from '../bytes.ts'
import { type Directory, type Inode, type RootContent, readStoredFile } from '../container/internal.ts'
import { UsageError } from '../errors.ts'
import type { FileObject } from '../objects/index.ts'
import type { ObjectStore, Repo } from '../repo/index.ts'
import type { DirectoryWriter } from './directory-writer.ts'

/**
 * Checks that files of a store can be linked.
 * @throws {UsageError} when there is no store, or objects are not files, or not such as a checkout may have
 */
export function requireLinkable(repo: Repo | undefined, link: 'hard' | 'reflink'): void {
  if (repo === undefined) throw new UsageError(`The option link: '${link}' needs a store`)
  const modes = link === 'hard' ? ['bare', 'bare-user-only'] : ['bare', 'bare-user', 'bare-user-only']
  if (repo.objects.loose !== undefined && modes.includes(repo.mode)) return
  throw new UsageError(
    `The option link: '${link}' needs a directory of mode ${modes.join(' or ')} as its store, which ${repo.storage.location} is not`,
  )
}

/** Reads files for trees in memory and tar streams. */
export class StoredContent implements RootContent {
  readonly #objects: ObjectStore

  constructor(objects: ObjectStore) {
    this.#objects = objects
  }

  read(inode: Inode): Content {
    return inode.size === 0 ? EMPTY_BYTES : this.#chunks(inode)
  }

  async *#chunks(inode: Inode): AsyncGenerator<Uint8Array, void, undefined> {
    const { body } = await readStoredFile(this.#objects, inode)
    if (body instanceof Uint8Array) yield body
    else yield* body
  }
}

/** Reads or links files for a directory. */
export class StoredFiles {
  readonly #objects: ObjectStore
  readonly #writer: DirectoryWriter
  readonly #how: 'never' | 'hard' | 'reflink'
  /** Files that were linked. */
  linked = 0

  constructor(objects: ObjectStore, writer: DirectoryWriter, how: 'never' | 'hard' | 'reflink') {
    this.#objects = objects
    this.#writer = writer
    this.#how = how
  }

  read(inode: Inode): MaybePromise<FileObject> {
    return readStoredFile(this.#objects, inode)
  }

  link(parent: Directory, name: string, inode: Inode): boolean {
    if (this.#how === 'never') return false
    const path = this.#objects.loose?.path({ type: 'file', checksum: inode.content as Checksum })
    if (path === undefined || !this.#writer.makeFrom(parent, name, inode, path, this.#how)) return false
    this.linked++
    return true
  }
}
