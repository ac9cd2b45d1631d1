/**
 * Access to the package openpgp, an optional peer dependency: it is large and seldom needed, so it is loaded when the
 * first OpenPGP signature is verified.
 */

import type * as OpenPgp from 'openpgp'
import { UnsupportedError } from '../errors.ts'

/** The module namespace of the package openpgp. */
export type OpenPgpLibrary = typeof OpenPgp

/** The name of the package, in a variable so that bundlers do not put its 390 kB into every program for browsers. */
const PACKAGE: string = 'openpgp'

let given: OpenPgpLibrary | undefined

/**
 * Sets the library that verifies OpenPGP signatures, for bundled programs. Others import the installed package when they
 * need it first.
 *
 * @example
 * useOpenPgp(await import('openpgp'))
 * @param library the module namespace of the package `openpgp`, version 6
 */
export function useOpenPgp(library: OpenPgpLibrary): void {
  given = library
}

/** Imports the package openpgp, unless it was given. @throws {UnsupportedError} when it is not installed */
export async function loadOpenPgp(): Promise<OpenPgpLibrary> {
  if (given !== undefined) return given
  try {
    return (await import(/* @vite-ignore */ /* webpackIgnore: true */ PACKAGE)) as OpenPgpLibrary
  } catch (error) {
    throw new UnsupportedError('GPG', 'Verifying GPG signatures needs the package openpgp, which is not installed', {
      cause: error,
    })
  }
}

/**
 * Returns a configuration without the library's own restrictions on algorithms and key sizes, which are stricter than
 * GnuPG's and would reject old signatures. The caller decides what to reject.
 */
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
 * Parses one key, user id or signature packet.
 * @returns `undefined` for other packets, and for packets that the library does not know or cannot read
 */
export async function readPacket(library: OpenPgpLibrary, bytes: Uint8Array): Promise<OpenPgp.BasePacket | undefined> {
  const { PublicKeyPacket, PublicSubkeyPacket, SignaturePacket, UserIDPacket, UserAttributePacket } = library
  const known = [PublicKeyPacket, PublicSubkeyPacket, SignaturePacket, UserIDPacket, UserAttributePacket]
  // The library expects an object keyed by tag; its type declarations differ.
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
 * Tests whether `signature` over `data` was made by `key`, whatever its dates. A critical subpacket that the library
 * does not understand makes it false.
 */
export async function isSignedBy(
  library: OpenPgpLibrary,
  signature: OpenPgp.SignaturePacket,
  key: OpenPgp.PublicKeyPacket | OpenPgp.PublicSubkeyPacket,
  data: object,
): Promise<boolean> {
  if (signature.signatureType === null) return false
  try {
    // A null date disables the checks of time; the type declarations do not allow it.
    const never = null as unknown as Date
    await signature.verify(key, signature.signatureType, data, never, true, lenient(library))
    return true
  } catch {
    return false
  }
}
