/**
 * One object from one repository into another. See pull-local.ts.
 *
 * Source: ostree-repo-commit.c, _ostree_repo_import_object.
 */

import type { Checksum } from '../../bytes.ts'
import { IoError, ObjectNotFoundError, withContext } from '../../errors.ts'
import { formatObjectName, type MetaType, validateBareUserOnlyMode } from '../../objects/index.ts'
import type { Transaction } from '../core/interface.ts'
import { isMissing, verifyObject } from '../core/verify-object.ts'
import type { Repo } from '../repo.ts'

export interface ImportRules {
  /** Verify each object before it is taken. Default: what is read and written anew is verified, what is linked is not. */
  readonly untrusted?: boolean | undefined
  /** Refuse files that a bare-user-only repository could not hold: set-id, sticky, writable for all. */
  readonly bareUserOnlyFiles?: boolean | undefined
}

/** What an import may bring over. */
export interface ImportName {
  readonly checksum: Checksum
  readonly type: MetaType | 'file'
}

export class ObjectImport {
  readonly #from: Repo
  readonly #into: Repo
  readonly #tx: Transaction
  readonly #untrusted: boolean
  readonly #bareUserOnly: boolean

  constructor(from: Repo, into: Repo, tx: Transaction, { untrusted = false, bareUserOnlyFiles = false }: ImportRules) {
    this.#from = from
    this.#into = into
    this.#tx = tx
    this.#untrusted = untrusted
    this.#bareUserOnly = bareUserOnlyFiles
  }

  /** To be asked only for what is not there. @returns `undefined` when that took no waiting */
  take(name: ImportName): Promise<void> | undefined {
    if (!this.#untrusted && !(this.#bareUserOnly && name.type === 'file')) return this.#adopt(name)
    return this.#check(name).then(() => this.#adopt(name))
  }

  async #check(name: ImportName): Promise<void> {
    if (this.#bareUserOnly && name.type === 'file') {
      const { header } = await this.#from.objects.statFile(name.checksum)
      validateBareUserOnlyMode(name.checksum, header.mode)
    }
    // What is written anew is verified then, unless nobody looks at its structure.
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
    if (type === 'file') await this.#tx.writeFile(await objects.readFile(checksum), checksum)
    else await this.#tx.writeMeta(type, await objects.readMeta(type, checksum), checksum)
  }
}

function importing<E>(name: ImportName, error: E): E {
  return withContext(`Importing ${formatObjectName(name)}`, error)
}
