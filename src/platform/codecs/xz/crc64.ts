/** CRC-64 as in xz: the polynomial of ECMA-182, bits reflected. Source: the .xz file format 1.2, section 6. */

const LOW = new Int32Array(256)
const HIGH = new Int32Array(256)
for (let byte = 0; byte < 256; byte++) {
  let low = byte
  let high = 0
  for (let bit = 0; bit < 8; bit++) {
    const odd = low & 1
    low = (low >>> 1) | (high << 31)
    high >>>= 1
    if (odd === 1) {
      low ^= 0xd7870f42
      high ^= 0xc96c5795
    }
  }
  LOW[byte] = low
  HIGH[byte] = high
}

/** A CRC-64 computed piece by piece. */
export class Crc64 {
  #low = -1
  #high = -1

  update(bytes: Uint8Array): void {
    let low = this.#low
    let high = this.#high
    for (let i = 0; i < bytes.length; i++) {
      const at = (low ^ (bytes[i] as number)) & 0xff
      low = ((low >>> 8) | (high << 24)) ^ (LOW[at] as number)
      high = (high >>> 8) ^ (HIGH[at] as number)
    }
    this.#low = low
    this.#high = high
  }

  /** Returns the checksum as eight bytes, little-endian. */
  digest(): Uint8Array {
    const bytes = new Uint8Array(8)
    const view = new DataView(bytes.buffer)
    view.setInt32(0, ~this.#low, true)
    view.setInt32(4, ~this.#high, true)
    return bytes
  }
}
