/**
 * OpenPGP itself is the library openpgp: large, and needed by few, so it is loaded when the first signature is looked
 * at, and only where somebody has installed it.
 */

import type * as OpenPgp from 'openpgp'
import { UnsupportedError } from '../errors.ts'

export type OpenPgpLibrary = typeof OpenPgp

/** @throws {UnsupportedError} where it is not installed */
export async function loadOpenPgp(): Promise<OpenPgpLibrary> {
  try {
    return await import('openpgp')
  } catch (error) {
    throw new UnsupportedError('GPG', 'Verifying GPG signatures needs the package openpgp, which is not installed', {
      cause: error,
    })
  }
}

/** Its rules are younger than GnuPG's, which verifies what was signed long ago. What to refuse is decided here. */
export function lenient({ config }: OpenPgpLibrary): OpenPgp.Config {
  return {
    ...config,
    enforceGrammar: false,
    rejectHashAlgorithms: new Set(),
    rejectMessageHashAlgorithms: new Set(),
    rejectPublicKeyAlgorithms: new Set(),
    rejectCurves: new Set(),
    minRSABits: 0,
  }
}

/**
 * One packet, read.
 * @returns `undefined` for one of another kind, and for what the library does not know or cannot read
 */
export async function readPacket(library: OpenPgpLibrary, bytes: Uint8Array): Promise<OpenPgp.BasePacket | undefined> {
  const { PublicKeyPacket, PublicSubkeyPacket, SignaturePacket, UserIDPacket, UserAttributePacket } = library
  const known = [PublicKeyPacket, PublicSubkeyPacket, SignaturePacket, UserIDPacket, UserAttributePacket]
  // An object by tag, whatever the declarations say.
  const allowed = Object.fromEntries(known.map((kind) => [kind.tag, kind])) as never
  try {
    const [packet] = await library.PacketList.fromBinary(bytes, allowed, lenient(library))
    return packet !== undefined && known.some((kind) => packet instanceof kind)
      ? (packet as OpenPgp.BasePacket)
      : undefined
  } catch {
    return undefined
  }
}

/**
 * Whether `signature` is one over `data` by `key`, whenever it was made. Something critical in it that is not
 * understood makes it none.
 */
export async function isSignedBy(
  library: OpenPgpLibrary,
  signature: OpenPgp.SignaturePacket,
  key: OpenPgp.PublicKeyPacket | OpenPgp.PublicSubkeyPacket,
  data: object,
): Promise<boolean> {
  if (signature.signatureType === null) return false
  try {
    // Without a date no time is looked at; the declarations do not say so.
    const never = null as unknown as Date
    await signature.verify(key, signature.signatureType, data, never, true, lenient(library))
    return true
  } catch {
    return false
  }
}
