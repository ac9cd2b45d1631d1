/**
 * The set of loose objects that a repository has, learned with few system calls. Looking for one file costs as much as
 * listing four or five names. So a directory is first asked for single files, and listed once these lookups have cost a
 * quarter of what listing it costs: a transaction with that many lookups most likely asks for all (a pull, a commit of
 * what is stored already). A few lookups in a large repository list nothing; many save most of the calls
 * (bench/fs-store.mjs).
 *
 * Valid during one transaction only, whose shared lock keeps others from deleting objects.
 */

import { readdirSync } from 'node:fs'
import type { Checksum } from '../../../../bytes.ts'
import type { ObjectType } from '../../../../objects/index.ts'
import { withIo } from '../../../../system/errno.ts'
import type { LooseReader } from './loose-reader.ts'

/** Names in a directory for each lookup before it is listed. */
const NAMES_PER_LOOKUP = 16
/** Names of published objects that are remembered at most: 2^18 of them take about 30 MB. */
const MOST_NAMES = 1 << 18
/** Lookups in the first directory of all before it is listed, when the size of none is known. */
const FIRST_LOOKUPS = 8

interface Directory {
  lookups: number
  /** File names, if the directory was listed. */
  names: Set<string> | undefined
}

export class PresentObjects {
  readonly #objects: string
  readonly #reader: LooseReader
  /** By the first byte of the checksum, in hex. */
  readonly #directories = new Map<string, Directory>()
  #listed = 0
  #added = 0
  #namesListed = 0

  /** @param objects path of the directory; @param fanOut the directories in it */
  constructor(objects: string, fanOut: readonly string[], reader: LooseReader) {
    this.#objects = objects
    this.#reader = reader
    for (const head of fanOut) this.#directories.set(head, { lookups: 0, names: undefined })
  }

  /** @param link whether the object may be a symbolic link in the file system */
  has(type: ObjectType, checksum: Checksum, suffix: string, link: boolean): boolean {
    const head = checksum.slice(0, 2)
    const directory = this.#directories.get(head)
    if (directory === undefined) return false
    const file = `${checksum.slice(2)}.${suffix}`
    if (directory.names === undefined) {
      if (++directory.lookups < this.#lookupsBeforeListing()) {
        return this.#reader.exists(`${this.#objects}/${head}/${file}`, type, link)
      }
      directory.names = this.#list(head)
    }
    return directory.names.has(file)
  }

  /** Adds an object that the transaction has published. */
  add(checksum: Checksum, suffix: string): void {
    const head = checksum.slice(0, 2)
    let directory = this.#directories.get(head)
    if (directory === undefined) {
      // It was made for this object, so that its names are known.
      directory = { lookups: 0, names: new Set() }
      this.#directories.set(head, directory)
    }
    if (directory.names === undefined) return
    if (this.#added++ < MOST_NAMES) directory.names.add(`${checksum.slice(2)}.${suffix}`)
    else directory.names = undefined
  }

  #lookupsBeforeListing(): number {
    return this.#listed === 0 ? FIRST_LOOKUPS : this.#namesListed / this.#listed / NAMES_PER_LOOKUP
  }

  #list(head: string): Set<string> {
    const names = withIo(`objects/${head}`, () => readdirSync(`${this.#objects}/${head}`))
    this.#listed++
    this.#namesListed += names.length
    return new Set(names)
  }
}
