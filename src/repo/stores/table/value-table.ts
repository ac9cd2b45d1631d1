/**
 * What a table of keys and values has to do to carry a repository. The repository has these keys:
 *
 *     config                 text of the configuration
 *     TYPE/CHECKSUM          object, or what is attached to a commit: dirtree/5f9d…, commitmeta/09ab…
 *     body/NUMBER/PIECE      content of a file larger than SMALL_FILE, in pieces of at most that size
 *     open/NUMBER, next      bodies that no object refers to yet; the number of the next one
 *     state/CHECKSUM         state of a commit that is not complete
 *     ref/PATH               checksum, or `alias ` and a path
 */

/**
 * A table of values by key. All calls are synchronous. Several storages of one process may use it, but only one process
 * at a time.
 */
export interface ValueTable {
  /** Returns the value of a key, `undefined` if there is none. The array is not changed by either side. */
  get(key: string): Uint8Array | undefined
  /** Returns the keys that begin with `prefix`, in any order. Keys may be deleted while the result is read. */
  keys(prefix: string): Iterable<string>
  /**
   * Makes all changes or none, also if the process ends meanwhile; `undefined` deletes a key. The changes are durable and
   * visible to all readers of the table when it returns. The arrays may be kept: they are not changed afterwards.
   */
  write(changes: ReadonlyMap<string, Uint8Array | undefined>): void
}
