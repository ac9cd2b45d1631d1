/**
 * Imports single objects from one repository into another, for pull-local.ts.
 *
 * Source: ostree-repo-commit.c, _ostree_repo_import_object.
 */

import type { Checksum } from '../../bytes.ts'
import { IoError, ObjectNotFoundError, withContext } from '../../errors.ts'
import { formatObjectName, type MetaType, validateBareUserOnlyMode } from '../../objects/index.ts'
import type { Transaction } from '../core/interface.ts'
import { isMissing, verifyObject } from '../core/verify-object.ts'
import type { Repo } from '../repo.ts'

/** How objects are checked before they are imported. */
export interface ImportRules {
  /**
   * Verify each object first. Default: objects that are rewritten in another form are verified by their checksum, but not
   * those that are hard-linked or copied as they are.
   */
  readonly untrusted?: boolean | undefined
  /**
   * Do not verify files that are rewritten either, as `ostree pull-local` without `--untrusted`: a file that is corrupted
   * in the source is corrupted in the target, where `fsck` finds it. Without effect if `untrusted` is set.
   */
  readonly trusted?: boolean | undefined
  /** Refuse files whose mode a bare-user-only repository cannot store: setuid, setgid, sticky, or world-writable. */
  readonly bareUserOnlyFiles?: boolean | undefined
}

/** The name of an object of a type that can be imported. */
export interface ImportName {
  readonly checksum: Checksum
  readonly type: MetaType | 'file'
}

/** Imports objects of `from`, or of its parent repositories, in a transaction of `into`. */
export class ObjectImporter {
  readonly #from: Repo
  readonly #into: Repo
  readonly #tx: Transaction
  readonly #untrusted: boolean
  readonly #trusted: boolean
  readonly #bareUserOnly: boolean

  constructor(from: Repo, into: Repo, tx: Transaction, rules: ImportRules) {
    const { untrusted = false, trusted = false, bareUserOnlyFiles = false } = rules
    this.#from = from
    this.#into = into
    this.#tx = tx
    this.#untrusted = untrusted
    this.#trusted = trusted && !untrusted
    this.#bareUserOnly = bareUserOnlyFiles
  }

  /**
   * Imports an object that `into` does not have yet.
   * @returns `undefined` when the import was synchronous and is done
   * @throws {IoError} `Importing …` when the source does not have the object
   * @throws {FormatError} or {ChecksumMismatchError} when the object is invalid, as far as the rules have it verified
   */
  importObject(name: ImportName): Promise<void> | undefined {
    if (!this.#untrusted && !(this.#bareUserOnly && name.type === 'file')) return this.#adopt(name)
    return this.#check(name).then(() => this.#adopt(name))
  }

  async #check(name: ImportName): Promise<void> {
    if (this.#bareUserOnly && name.type === 'file') {
      const { header } = await this.#from.objects.statFile(name.checksum)
      validateBareUserOnlyMode(name.checksum, header.mode)
    }
    // A file that is rewritten in another mode is verified by its checksum then. For metadata that would not be enough,
    // as writing does not check its structure.
    if (this.#untrusted && (name.type !== 'file' || this.#from.mode === this.#into.mode)) {
      await this.#verify(name)
    }
  }

  async #verify(name: ImportName): Promise<void> {
    try {
      await verifyObject(this.#from, name)
    } catch (error) {
      const what = name.type === 'file' ? `content object ${name.checksum}` : formatObjectName(name)
      throw isMissing(error, name) ? withContext(`fsck ${what}`, error) : error
    }
  }

  /**
   * Hard-links or copies the object as it is stored, if both repositories store it in the same form; else rewrites it.
   */
  #adopt(name: ImportName): Promise<void> | undefined {
    try {
      for (let store: Repo | undefined = this.#from; store !== undefined; store = store.parent) {
        const adopted = this.#tx.adopt(store.storage.objects, name, !this.#untrusted)
        if (adopted === 'taken') return undefined
        if (adopted === 'unlike') return this.#write(name)
      }
    } catch (error) {
      throw importing(name, error)
    }
    const object = formatObjectName(name)
    const missing = new ObjectNotFoundError(object)
    throw importing(name, new IoError('linkat: No such file or directory', 'ENOENT', object, { cause: missing }))
  }

  async #write({ type, checksum }: ImportName): Promise<void> {
    const { objects } = this.#from
    if (type === 'file') {
      const file = await objects.readFile(checksum)
      await (this.#trusted ? this.#tx.writeTrustedFile(file, checksum) : this.#tx.writeFile(file, checksum))
    } else await this.#tx.writeMeta(type, await objects.readMeta(type, checksum), checksum)
  }
}

/** Prefixes an error with the object's name. */
function importing<E>(name: ImportName, error: E): E {
  return withContext(`Importing ${formatObjectName(name)}`, error)
}
