/** The names of the published objects, as a handle knows them, so that a write need not ask the database. */

import type { ObjectName, ObjectType } from '../../../objects/index.ts'
import { ChecksumSet } from '../../../objects/internal.ts'
import type { Connection } from './connection.ts'
import type { Batches } from './objects.ts'

/** Names of objects, of about 40 bytes of memory each. */
export class NameSet {
  readonly #byType = new Map<ObjectType, ChecksumSet>()

  has({ type, checksum }: ObjectName): boolean {
    return this.#byType.get(type)?.has(checksum) === true
  }

  add({ type, checksum }: ObjectName): void {
    const checksums = this.#byType.get(type) ?? new ChecksumSet()
    this.#byType.set(type, checksums)
    checksums.add(checksum)
  }

  clear(): void {
    this.#byType.clear()
  }

  *[Symbol.iterator](): Generator<ObjectName> {
    for (const [type, checksums] of this.#byType) for (const checksum of checksums) yield { type, checksum }
  }
}

/** The published objects. Another handle may publish some that are not known: they are stored twice, in two batches. */
export class KnownNames {
  readonly #connection: Connection
  readonly #batches: Batches
  #names = new NameSet()
  /** The count of changes that the names are of. */
  #count = -1

  constructor(connection: Connection, batches: Batches) {
    this.#connection = connection
    this.#batches = batches
  }

  has(name: ObjectName): boolean {
    return this.#names.has(name)
  }

  /** Reads the names, unless they have not changed since. */
  async refresh(): Promise<void> {
    const count = (await this.#connection.get<number>('values', 'changes')) ?? 0
    if (count === this.#count) return
    const names = new NameSet()
    for await (const some of this.#batches.names()) for (const name of some) names.add(name)
    this.#names = names
    this.#count = count
  }

  /** Adds names that were published. @param count of changes after that */
  add(names: Iterable<ObjectName>, count: number): void {
    for (const name of names) this.#names.add(name)
    // Other changes in between are found by the next refresh.
    this.#count = count === this.#count + 1 ? count : -1
  }
}
