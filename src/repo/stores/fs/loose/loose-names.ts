/** Parses names of loose files digit by digit: a repository has many. */

import { type ObjectList, type ObjectType, objectTypeFromNumber, objectTypeNumber } from '../../../../objects/index.ts'

/** Digits of the checksum in a file's name; its directory has the first two. */
const DIGITS = 62
/** By type number, which puts the frequent ones first. */
const TYPES = Array.from({ length: 9 }, (_, i) => objectTypeFromNumber(i + 1))
/** Values of lower-case hexadecimal digits by character code; 0xff for other characters. */
const DIGIT_VALUES = new Uint8Array(0x80).fill(0xff)
for (const [value, digit] of [...'0123456789abcdef'].entries()) DIGIT_VALUES[digit.charCodeAt(0)] = value

export class LooseNames {
  /** What may follow the digits, and the type number it stands for. */
  readonly #endings: readonly { readonly ending: string; readonly type: number }[]
  readonly #checksum = new Uint8Array(32)

  /**
   * @param archive whether files end in `.filez`, and not in `.file`
   * @param type the only type to take; all if absent
   */
  constructor(archive: boolean, type?: ObjectType) {
    const types = TYPES.filter((candidate) => type === undefined || candidate === type)
    this.#endings = types.map((type) => {
      const ending = archive && type === 'file' ? '.filez' : `.${type}`
      return { ending, type: objectTypeNumber(type) }
    })
  }

  /** Adds the object to the list, if `file` is the name of one. @param head name of its directory, two digits */
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
