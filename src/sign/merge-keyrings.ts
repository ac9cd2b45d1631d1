/**
 * Adds public keys to a keyring, without reading more of them than the type of each packet.
 *
 * ```
 * public key · signatures
 *   user id or user attribute · signatures
 *   subkey · signatures
 * ```
 *
 * Keys, user ids and subkeys are the same when their packets have the same bytes after the header. What the keyring has
 * already is kept, and what is new comes behind it. Other packets, such as GnuPG's trust packets, are left out of what is
 * added. Nothing is verified: that is done when the keyring is read.
 *
 * Source: RFC 9580, 10.1; GnuPG, g10/import.c (merge_blocks).
 */

import { concatBytes, toHex } from '../bytes.ts'
import { NotFoundError } from '../errors.ts'
import { loadOpenPgp, readPacket } from './library.ts'
import { type Packet, splitPackets, unarmor } from './packets.ts'

const SIGNATURE = 2
const PUBLIC_KEY = 6
const USER_ID = 13
const SUBKEY = 14
const USER_ATTRIBUTE = 17

/** A packet with the signatures that follow it, by their bytes in hexadecimal. */
interface Part {
  readonly packet: Packet
  readonly signatures: Map<string, Packet>
}

/** A public key with its user ids, user attributes and subkeys. */
interface Block extends Part {
  readonly parts: Map<string, Part>
}

/** Result of `mergeKeyRings`. */
export interface MergedKeyRing {
  /** The new keyring, binary. */
  readonly ring: Uint8Array
  /** Number of keys that were found in what was to be added. */
  readonly found: number
  /** Number of keys that the keyring did not have before. */
  readonly added: number
}

/**
 * Adds the public keys of `others`, binary or armored, to a binary keyring. Keys without a user id are left out, as GnuPG
 * does. Data that is not OpenPGP has no keys.
 * @param ring the keyring; empty for a new one
 */
export function mergeKeyRings(ring: Uint8Array, others: readonly Uint8Array[]): MergedKeyRing {
  const blocks = new Map<string, Block>()
  read(ring, blocks)
  const before = blocks.size
  const incoming = new Map<string, Block>()
  for (const other of others) read(unarmor(other), incoming)
  const usable = [...incoming].filter(([, { parts }]) => [...parts.values()].some(isCertifiedUser))
  for (const [key, block] of usable) merge(blocks, key, block)
  return { ring: concatBytes([...blocks.values()].flatMap(bytesOf)), found: usable.length, added: blocks.size - before }
}

/**
 * Finds keys as GnuPG does, and returns each as a keyring of its own.
 * @param rings keyrings, binary or armored
 * @param ids key IDs or fingerprints of keys or subkeys, in hexadecimal of either case; a text with a blank or `@` is a
 *   part of a user id, in any case
 * @throws {NotFoundError} `Unable to find key "…": …` when none or several match, or the text is neither
 * @throws {UnsupportedError} when the package openpgp is not installed
 */
export async function selectKeys(rings: readonly Uint8Array[], ids: readonly string[]): Promise<Uint8Array[]> {
  const library = await loadOpenPgp()
  const blocks = new Map<string, Block>()
  for (const ring of rings) read(unarmor(ring), blocks)
  const known: { readonly block: Block; readonly fingerprints: string[]; readonly users: string[] }[] = []
  for (const block of blocks.values()) {
    const key = { block, fingerprints: [] as string[], users: [] as string[] }
    for (const { bytes } of [block.packet, ...Array.from(block.parts.values(), ({ packet }) => packet)]) {
      const packet = await readPacket(library, bytes)
      if (packet instanceof library.PublicKeyPacket) key.fingerprints.push(packet.getFingerprint())
      else if (packet instanceof library.UserIDPacket) key.users.push(packet.userID.toLowerCase())
    }
    known.push(key)
  }
  return ids.map((id) => {
    const wanted = id.toLowerCase()
    const digits = wanted.replace(/^0x/, '')
    const [found, ...others] = known.filter(({ fingerprints, users }) =>
      isKeyId(digits) ? fingerprints.some((own) => own.endsWith(digits)) : users.some((user) => user.includes(wanted)),
    )
    const reason =
      !isKeyId(digits) && !/[@ ]/.test(wanted)
        ? 'Invalid value'
        : found === undefined
          ? 'End of file'
          : others.length > 0
            ? 'Ambiguous name'
            : undefined
    if (found === undefined || reason !== undefined) {
      throw new NotFoundError(id, `Unable to find key "${id}": GPGME: ${reason}`)
    }
    return concatBytes(bytesOf(found.block))
  })
}

/** Tells whether a text is a short or long key ID, or a fingerprint of version 3, 4 or 6. */
function isKeyId(text: string): boolean {
  return /^[0-9a-f]+$/.test(text) && [8, 16, 32, 40, 64].includes(text.length)
}

function isCertifiedUser({ packet, signatures }: Part): boolean {
  return packet.tag === USER_ID && signatures.size > 0
}

function read(bytes: Uint8Array, blocks: Map<string, Block>): void {
  let block: Block | undefined
  let part: Part | undefined
  for (const packet of splitPackets(bytes).packets) {
    const key = keyOf(packet)
    if (packet.tag === PUBLIC_KEY) {
      block = blocks.get(key) ?? { packet, signatures: new Map(), parts: new Map() }
      blocks.set(key, block)
      part = block
    } else if (packet.tag === USER_ID || packet.tag === SUBKEY || packet.tag === USER_ATTRIBUTE) {
      part = block && (block.parts.get(key) ?? { packet, signatures: new Map() })
      if (part !== undefined) block?.parts.set(key, part)
    } else if (packet.tag === SIGNATURE) {
      if (part !== undefined && !part.signatures.has(key)) part.signatures.set(key, packet)
    } else if (!isAnnotation(packet)) {
      // The packets up to the next key belong to one that cannot be added, such as a secret key.
      block = undefined
      part = undefined
    }
  }
}

/** Tells whether a packet only says something about the one before it: a trust packet or a marker. */
function isAnnotation({ tag }: Packet): boolean {
  return tag === 12 || tag === 10
}

/** Returns type and body of a packet, so that both formats of a header give the same. */
function keyOf({ tag, bytes, body }: Packet): string {
  return `${tag} ${toHex(bytes.subarray(body))}`
}

function merge(blocks: Map<string, Block>, key: string, { packet, signatures, parts }: Block): void {
  const known = blocks.get(key)
  if (known === undefined) {
    blocks.set(key, { packet, signatures, parts })
    return
  }
  addMissing(known.signatures, signatures)
  for (const [name, part] of parts) {
    const same = known.parts.get(name)
    if (same === undefined) known.parts.set(name, part)
    else addMissing(same.signatures, part.signatures)
  }
}

function addMissing<T>(to: Map<string, T>, from: Map<string, T>): void {
  for (const [key, value] of from) if (!to.has(key)) to.set(key, value)
}

function bytesOf({ packet, signatures, parts }: Block): Uint8Array[] {
  const withSignatures = (part: Part) => [part.packet, ...part.signatures.values()]
  // User ids and attributes come before subkeys, wherever they were added.
  const [subkeys, users] = [true, false].map((subkey) =>
    [...parts.values()].filter((part) => (part.packet.tag === SUBKEY) === subkey),
  )
  return [{ packet, signatures }, ...(users ?? []), ...(subkeys ?? [])]
    .flatMap(withSignatures)
    .map(({ bytes }) => bytes)
}
