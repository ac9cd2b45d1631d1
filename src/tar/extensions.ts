/** Headers that say something about the entry behind them: PAX records, GNU long names, and some to step over. */

import { textEnd } from './header.ts'
import type { PaxRecord } from './interface.ts'
import { parsePax } from './pax.ts'

export const PAX = 0x78 // x
export const PAX_SOLARIS = 0x58 // X
export const PAX_GLOBAL = 0x67 // g
export const GNU_LONG_NAME = 0x4c // L
export const GNU_LONG_LINK = 0x4b // K
export const GNU_VOLUME_LABEL = 0x56 // V
export const SOLARIS_ACL = 0x41 // A

/** Gathered for one entry. */
export class Extensions {
  /** Where the first of them started. */
  readonly offset: number
  count = 0
  longName: Uint8Array | undefined
  longLink: Uint8Array | undefined
  pax: readonly PaxRecord[] | undefined
  /** Names given both ways: what came first has its way. */
  gnuNameFirst = false
  gnuLinkFirst = false

  constructor(offset: number) {
    this.offset = offset
  }

  /**
   * @param body the whole of it; parts are kept
   * @param memo for `parsePax`
   * @returns what is wrong with it, in words
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
        // labels and access control lists mean nothing to us
        return undefined
    }
  }
}
