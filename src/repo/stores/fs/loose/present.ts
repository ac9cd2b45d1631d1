/**
 * Which loose objects a repository has, learned as cheaply as the number of questions allows. Asking the file system
 * about one name costs as much as listing four or five: so single questions are asked first, and a directory is listed
 * when it has been asked about for a quarter of the price, since a transaction that asks as often most likely asks for
 * all (a pull, a commit of what is there). With few questions to a large repository that reads nothing; with many, it
 * saves most of the calls (bench/fs-store.mjs).
 *
 * For the time of a transaction only: its lock keeps everybody from deleting.
 */

import { readdirSync } from 'node:fs'
import type { Checksum } from '../../../../bytes.ts'
import type { ObjectType } from '../../../../objects/index.ts'
import { withIo } from '../../../../system/errno.ts'
import type { LooseReader } from './loose-reader.ts'

const NAMES_A_QUESTION = 16
/** Questions to the first directory of all, when nothing is known about their size. */
const FIRST_QUESTIONS = 8

interface Directory {
  questions: number
  /** File names, once listed. */
  names: Set<string> | undefined
}

export class PresentObjects {
  readonly #objects: string
  readonly #reader: LooseReader
  /** By the first byte of the checksum, in hex; where there is no directory there are no objects. */
  readonly #directories = new Map<string, Directory>()
  #listed = 0
  #namesListed = 0

  /** @param objects path of the directory; @param fanOut the directories in it */
  constructor(objects: string, fanOut: readonly string[], reader: LooseReader) {
    this.#objects = objects
    this.#reader = reader
    for (const head of fanOut) this.#directories.set(head, { questions: 0, names: undefined })
  }

  /** @param link the object may be a symbolic link in the file system */
  has(type: ObjectType, checksum: Checksum, suffix: string, link: boolean): boolean {
    const head = checksum.slice(0, 2)
    const directory = this.#directories.get(head)
    if (directory === undefined) return false
    const file = `${checksum.slice(2)}.${suffix}`
    if (directory.names === undefined) {
      if (++directory.questions < this.#questionsBeforeListing()) {
        return this.#reader.exists(`${this.#objects}/${head}/${file}`, type, link)
      }
      directory.names = this.#list(head)
    }
    return directory.names.has(file)
  }

  #questionsBeforeListing(): number {
    return this.#listed === 0 ? FIRST_QUESTIONS : this.#namesListed / this.#listed / NAMES_A_QUESTION
  }

  #list(head: string): Set<string> {
    const names = withIo(`objects/${head}`, () => readdirSync(`${this.#objects}/${head}`))
    this.#listed++
    this.#namesListed += names.length
    return new Set(names)
  }
}
