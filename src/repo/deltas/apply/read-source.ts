/** The stored file whose content an operation of a part reads. */

import { type Checksum, SMALL_FILE } from '../../../bytes.ts'
import { FormatError } from '../../../errors.ts'
import { isSymlink } from '../../../objects/index.ts'
import type { Transaction } from '../../core/interface.ts'
import type { RandomAccess } from '../../core/random-access.ts'
import { accessToContent, BufferedAccess } from '../../core/scratch.ts'
import type { Repo } from '../../repo.ts'

/** Bytes of the buffer. Patches and matches mostly read on where they have read before. */
const BUFFER = 1 << 18

/** Keeps the file open that was used last: a part uses each of its sources in one go. */
export class ReadSource implements Disposable {
  readonly #repo: Repo
  readonly #tx: Transaction
  #checksum: Checksum | undefined
  #access: RandomAccess | undefined
  #buffered: BufferedAccess | undefined

  constructor(repo: Repo, tx: Transaction) {
    this.#repo = repo
    this.#tx = tx
  }

  /**
   * Opens the content of a stored file. What is not stored as it is, is copied to scratch space if it is large.
   * @throws {ObjectNotFoundError} if it is not stored; {FormatError} if it is a symbolic link, or damaged
   */
  async open(checksum: Checksum): Promise<BufferedAccess> {
    if (this.#checksum === checksum && this.#buffered !== undefined) return this.#buffered
    this[Symbol.dispose]()
    const { header, size } = await this.#tx.statFile(checksum)
    if (isSymlink(header)) {
      throw new FormatError(`${checksum}.file`, `The symbolic link ${checksum} cannot be the source of a static delta`)
    }
    let access = size > SMALL_FILE ? this.#repo.objects.loose?.open(checksum) : undefined
    access ??= await accessToContent(this.#repo.storage, (await this.#tx.readFile(checksum)).body)
    this.#checksum = checksum
    this.#access = access
    this.#buffered = new BufferedAccess(access, BUFFER)
    return this.#buffered
  }

  [Symbol.dispose](): void {
    this.#access?.close()
    this.#checksum = this.#access = this.#buffered = undefined
  }
}
