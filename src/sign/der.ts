/** Reads the few structures of DER that keys and ECDSA signatures consist of. Source: ITU-T X.690; RFC 5280, RFC 5208. */

/** One element. */
interface Element {
  readonly tag: number
  readonly content: Uint8Array
  /** The bytes after the element. */
  readonly rest: Uint8Array
}

const INTEGER = 0x02
const OBJECT_IDENTIFIER = 0x06
const SEQUENCE = 0x30

/** Reads the first element. @returns `undefined` when it is malformed or cut off */
function readElement(bytes: Uint8Array): Element | undefined {
  const [tag, first] = bytes
  if (tag === undefined || first === undefined) return undefined
  let [at, length] = [2, first]
  if (first >= 0x80) {
    const width = first & 0x7f
    if (width === 0 || width > 4 || bytes.length < 2 + width) return undefined
    length = 0
    for (let i = 0; i < width; i++) length = length * 256 + (bytes[at++] as number) // checked above
  }
  if (at + length > bytes.length) return undefined
  return { tag, content: bytes.subarray(at, at + length), rest: bytes.subarray(at + length) }
}

function contentOf(bytes: Uint8Array | undefined, tag: number): Element | undefined {
  const element = bytes && readElement(bytes)
  return element?.tag === tag ? element : undefined
}

/** The algorithm of a key: object identifiers in their encoded form, without tag and length. */
export interface AlgorithmOfKey {
  readonly algorithm: Uint8Array
  /** Named curve of a key on an elliptic curve. */
  readonly curve: Uint8Array | undefined
}

/**
 * Reads the algorithm of a key.
 * @param key a SubjectPublicKeyInfo, or a PrivateKeyInfo (PKCS#8), which begins with a version
 * @returns `undefined` when it is neither
 */
export function algorithmOfKey(key: Uint8Array): AlgorithmOfKey | undefined {
  const body = contentOf(key, SEQUENCE)?.content
  const identifier = contentOf(body && (contentOf(body, INTEGER)?.rest ?? body), SEQUENCE)?.content
  const algorithm = contentOf(identifier, OBJECT_IDENTIFIER)
  return algorithm && { algorithm: algorithm.content, curve: contentOf(algorithm.rest, OBJECT_IDENTIFIER)?.content }
}

/**
 * Converts an ECDSA signature from DER to the form of IEEE P1363: two numbers of `width` bytes.
 * @returns `undefined` when it is malformed
 */
export function ecdsaFromDer(signature: Uint8Array, width: number): Uint8Array | undefined {
  const outer = contentOf(signature, SEQUENCE)
  const r = contentOf(outer?.content, INTEGER)
  const s = contentOf(r?.rest, INTEGER)
  if (outer === undefined || r === undefined || s === undefined || outer.rest.length + s.rest.length > 0)
    return undefined
  const result = new Uint8Array(2 * width)
  for (const [index, { content }] of [r, s].entries()) {
    const start = content.findIndex((byte) => byte !== 0)
    const digits = start < 0 ? content.subarray(content.length) : content.subarray(start)
    if (digits.length > width || ((content[0] ?? 0x80) & 0x80) !== 0) return undefined
    result.set(digits, (index + 1) * width - digits.length)
  }
  return result
}

/** Converts an ECDSA signature from the form of IEEE P1363 to DER. */
export function ecdsaToDer(signature: Uint8Array): Uint8Array {
  const width = signature.length / 2
  const body = [signature.subarray(0, width), signature.subarray(width)].flatMap((number) => {
    let start = 0
    while (start < width - 1 && number[start] === 0) start++
    const digits = [...number.subarray(start)]
    if (((digits[0] as number) & 0x80) !== 0) digits.unshift(0) // at least one digit is kept
    return [INTEGER, digits.length, ...digits]
  })
  return Uint8Array.from(body.length < 0x80 ? [SEQUENCE, body.length, ...body] : [SEQUENCE, 0x81, body.length, ...body])
}
