/** CRC-32 as in gzip, eight bytes a step. Source: RFC 1952, 8; "slicing by 8" by Kounavis and Berry. */

const POLYNOMIAL = 0xedb88320

/** Eight tables of 256 entries, one after another. Table k gives the CRC of a byte followed by k zero bytes. */
const TABLES = new Int32Array(8 * 256)
for (let byte = 0; byte < 256; byte++) {
  let crc = byte
  for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ POLYNOMIAL : crc >>> 1
  TABLES[byte] = crc
}
for (let i = 256; i < TABLES.length; i++) {
  const previous = TABLES[i - 256] as number
  TABLES[i] = (previous >>> 8) ^ (TABLES[previous & 0xff] as number)
}

/**
 * Returns the CRC-32 of `bytes`, unsigned.
 * @param crc CRC of the preceding bytes, to be continued
 */
export function crc32(bytes: Uint8Array, crc = 0): number {
  const t = TABLES
  const b = bytes
  let c = ~crc
  let i = 0
  // The reads are within bounds: of the tables by their masks, of the bytes by the loop.
  for (const end = b.length - 7; i < end; i += 8) {
    c ^= b[i]! | (b[i + 1]! << 8) | (b[i + 2]! << 16) | (b[i + 3]! << 24)
    c =
      t[1792 | (c & 0xff)]! ^
      t[1536 | ((c >>> 8) & 0xff)]! ^
      t[1280 | ((c >>> 16) & 0xff)]! ^
      t[1024 | (c >>> 24)]! ^
      t[768 | b[i + 4]!]! ^
      t[512 | b[i + 5]!]! ^
      t[256 | b[i + 6]!]! ^
      t[b[i + 7]!]!
  }
  for (; i < b.length; i++) c = (c >>> 8) ^ t[(c ^ b[i]!) & 0xff]!
  return ~c >>> 0
}
