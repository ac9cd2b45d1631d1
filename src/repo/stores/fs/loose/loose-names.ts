/** Names of loose files, as their directory gives them: read by hand, for a repository has many. */

import { type ObjectList, type ObjectType, objectTypeFromNumber, objectTypeNumber } from '../../../../objects/index.ts'

/** Digits of a checksum in the name of a file; two more are that of its directory. */
const DIGITS = 62
/** The frequent ones first. */
const TYPES = Array.from({ length: 9 }, (_, i) => objectTypeFromNumber(i + 1))
/** By character code; above 15 is no digit: checksums in names are in lower case. */
const DIGIT_VALUES = new Uint8Array(0x80).fill(0xff)
for (const [value, digit] of [...'0123456789abcdef'].entries()) DIGIT_VALUES[digit.charCodeAt(0)] = value

export class LooseNames {
  /** What may follow the digits, and which type that is. */
  readonly #endings: readonly { readonly ending: string; readonly type: number }[]
  readonly #checksum = new Uint8Array(32)

  /**
   * @param archive where content ends in `.filez`; `.file` is nobody's object there, nor is the other elsewhere
   * @param type leaves all others out
   */
  constructor(archive: boolean, type?: ObjectType) {
    const types = TYPES.filter((candidate) => type === undefined || candidate === type)
    this.#endings = types.map((type) => {
      const ending = archive && type === 'file' ? '.filez' : `.${type}`
      return { ending, type: objectTypeNumber(type) }
    })
  }

  /** Takes the name into the list, if it is that of an object. @param head of its directory, two digits */
  read(head: string, file: string, list: ObjectList): void {
    for (const { ending, type } of this.#endings) {
      if (file.length !== DIGITS + ending.length || !file.endsWith(ending)) continue
      const checksum = this.#checksum
      checksum[0] = Number.parseInt(head, 16)
      for (let at = 0, to = 1; at < DIGITS; at += 2, to++) {
        const high = DIGIT_VALUES[file.charCodeAt(at)] ?? 0xff
        const low = DIGIT_VALUES[file.charCodeAt(at + 1)] ?? 0xff
        if ((high | low) > 0xf) return
        checksum[to] = (high << 4) | low
      }
      list.pushAt(type, checksum, 0)
      return
    }
  }
}
