/** Extension headers, which apply to the entry after them: PAX records, GNU long names, and some that are skipped. */

import { textEnd } from './header.ts'
import type { PaxRecord } from './interface.ts'
import { parsePax } from './pax.ts'

/** Type flag of a PAX header. */
export const PAX = 0x78 // x
/** Type flag of a PAX header of Solaris. */
export const PAX_SOLARIS = 0x58 // X
/** Type flag of a PAX global header. */
export const PAX_GLOBAL = 0x67 // g
/** Type flag of a GNU long name. */
export const GNU_LONG_NAME = 0x4c // L
/** Type flag of a GNU long link target. */
export const GNU_LONG_LINK = 0x4b // K
/** Type flag of a GNU volume label. */
export const GNU_VOLUME_LABEL = 0x56 // V
/** Type flag of an access control list of Solaris. */
export const SOLARIS_ACL = 0x41 // A

/** The extension headers of an entry. */
export class Extensions {
  /** Offset of the first of them in the stream. */
  readonly offset: number
  /** Number of extension headers, counted by the parser. */
  count = 0
  /** GNU long name. */
  longName: Uint8Array | undefined
  /** GNU long link target. */
  longLink: Uint8Array | undefined
  /** Records of the PAX header. */
  pax: readonly PaxRecord[] | undefined
  /** Whether the GNU long name came before the PAX header: the first of them counts. */
  gnuNameFirst = false
  /** Whether the GNU long link target came before the PAX header: the first of them counts. */
  gnuLinkFirst = false

  constructor(offset: number) {
    this.offset = offset
  }

  /**
   * Adds an extension header.
   * @param body its data, of which views are kept
   * @param memo see `parsePax`
   * @returns an error message if it is malformed
   */
  add(typeflag: number, body: Uint8Array, memo: string[]): string | undefined {
    switch (typeflag) {
      case GNU_LONG_NAME:
        this.longName = body.subarray(0, textEnd(body, 0, body.length))
        this.gnuNameFirst = this.pax === undefined
        return undefined
      case GNU_LONG_LINK:
        this.longLink = body.subarray(0, textEnd(body, 0, body.length))
        this.gnuLinkFirst = this.pax === undefined
        return undefined
      case PAX:
      case PAX_SOLARIS: {
        if (this.pax !== undefined) return 'Two pax extension headers for one entry'
        const { records, fault } = parsePax(body, memo)
        this.pax = records
        return fault
      }
      default:
        // Access control lists of Solaris are ignored.
        return undefined
    }
  }
}
