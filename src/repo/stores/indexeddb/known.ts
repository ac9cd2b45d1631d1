/** The names of the published objects, as a handle knows them, so that a write need not ask the database. */

import type { ObjectType } from '../../../objects/index.ts'
import type { Connection } from './connection.ts'
import type { Batches } from './objects.ts'

const TYPES: readonly ObjectType[] = ['file', 'dirtree', 'dirmeta', 'commit']

/**
 * Names, `TYPE/CHECKSUM`, of about 100 bytes of memory each. Another handle may publish objects that are not among them:
 * such an object is stored twice, in two batches.
 */
export class KnownNames {
  readonly #connection: Connection
  readonly #batches: Batches
  #names = new Set<string>()
  /** The count of changes that the names are of. */
  #count = -1

  constructor(connection: Connection, batches: Batches) {
    this.#connection = connection
    this.#batches = batches
  }

  has(name: string): boolean {
    return this.#names.has(name)
  }

  /** Reads the names, unless they have not changed since. */
  async refresh(): Promise<void> {
    const count = (await this.#connection.get<number>('values', 'changes')) ?? 0
    if (count === this.#count) return
    const names = new Set<string>()
    for (const type of TYPES) {
      for await (const some of this.#batches.names(type)) for (const name of some) names.add(name)
    }
    this.#names = names
    this.#count = count
  }

  /** Adds names that were published. @param count of changes after that */
  add(names: Iterable<string>, count: number): void {
    for (const name of names) this.#names.add(name)
    // Other changes in between are found by the next refresh.
    this.#count = count === this.#count + 1 ? count : -1
  }
}
