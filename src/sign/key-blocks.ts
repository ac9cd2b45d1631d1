/**
 * Reads public keys from keyrings and evaluates their self-signatures.
 *
 * ```
 * key · direct signatures, revocations
 *   user id · certifications by the key itself, by others
 *   subkey · binding signatures, revocations
 * ```
 *
 * The newest valid self-signature counts; certifications by other keys are ignored. A key found in two files is merged
 * into one, with the signatures of both.
 *
 * Source: GnuPG, g10/getkey.c (merge_selfsigs); RFC 9580, 10.1.
 */

import type { BasePacket, PublicKeyPacket, PublicSubkeyPacket, SignaturePacket, UserIDPacket } from 'openpgp'
import type { KeyRings } from './interface.ts'
import { isSignedBy, type OpenPgpLibrary, readPacket } from './library.ts'
import { splitPackets, unarmor } from './packets.ts'

/** Most packets read from one keyring file. */
const MAX_PACKETS = 1 << 16
const TRUST_TAG = 12

interface Signed<T> {
  readonly packet: T
  readonly signatures: SignaturePacket[]
}

/** A primary key with its user ids and subkeys, each with the signatures that follow it; none verified yet. */
export interface KeyBlock extends Signed<PublicKeyPacket> {
  readonly users: Signed<UserIDPacket>[]
  readonly subkeys: Signed<PublicSubkeyPacket>[]
}

/** Permitted use and lifetime of one key, from its self-signatures. */
export interface KeyState {
  readonly packet: PublicKeyPacket | PublicSubkeyPacket
  /** The primary key has certified the key; a signing subkey must also have signed the primary key (RFC 9580, 0x19). */
  readonly valid: boolean
  readonly revoked: boolean
  readonly maySign: boolean
  /** Seconds since the epoch, 0 for never. */
  readonly expires: number
}

/** Result of `evaluateKey`. */
export interface EvaluatedKey {
  readonly primary: KeyState
  readonly subkeys: readonly KeyState[]
  /** The primary user id; empty when the key has none. */
  readonly userId: string
  /** All user ids, the primary one first. */
  readonly users: readonly UserState[]
}

/** What the key itself says of one of its user ids. */
export interface UserState {
  readonly userId: string
  /** The newest certification by the key itself revokes the user id. */
  readonly revoked: boolean
  /** The key itself certifies the user id. */
  readonly valid: boolean
}

/** Reads the keys of all keyrings, one block per fingerprint. Unreadable packets are skipped. */
export async function readKeyBlocks(library: OpenPgpLibrary, rings: KeyRings): Promise<KeyBlock[]> {
  const blocks = new Map<string, KeyBlock>()
  for (const ring of rings) {
    const { packets } = splitPackets(unarmor(ring))
    const reading: Reading = { blocks, block: undefined, signatures: undefined }
    for (const { tag, bytes } of packets.slice(0, MAX_PACKETS)) {
      if (tag !== TRUST_TAG) place(library, reading, await readPacket(library, bytes))
    }
  }
  return [...blocks.values()]
}

/** The key, and the list of signatures, that the next packet belongs to; undefined after a packet that was not read. */
interface Reading {
  readonly blocks: Map<string, KeyBlock>
  block: KeyBlock | undefined
  signatures: SignaturePacket[] | undefined
}

function place(library: OpenPgpLibrary, at: Reading, packet: BasePacket | undefined): void {
  if (packet instanceof library.SignaturePacket) at.signatures?.push(packet)
  else if (packet instanceof library.PublicSubkeyPacket) {
    // Tested before PublicKeyPacket, its base class.
    at.signatures = at.block && signaturesOf(at.block.subkeys, packet, (a, b) => a.hasSameFingerprintAs(b))
  } else if (packet instanceof library.PublicKeyPacket) {
    const fingerprint = packet.getFingerprint()
    at.block = at.blocks.get(fingerprint) ?? { packet, signatures: [], users: [], subkeys: [] }
    at.blocks.set(fingerprint, at.block)
    at.signatures = at.block.signatures
  } else if (packet instanceof library.UserIDPacket) {
    at.signatures = at.block && signaturesOf(at.block.users, packet, (a, b) => a.userID === b.userID)
  } else at.signatures = undefined
}

function signaturesOf<T>(list: Signed<T>[], packet: T, isSame: (a: T, b: T) => boolean): SignaturePacket[] {
  let known = list.find((entry) => isSame(entry.packet, packet))
  if (known === undefined) {
    known = { packet, signatures: [] }
    list.push(known)
  }
  return known.signatures
}

/** Verifies the self-signatures of a key. @param now seconds since the epoch */
export async function evaluateKey(library: OpenPgpLibrary, block: KeyBlock, now: number): Promise<EvaluatedKey> {
  const { enums } = library
  const { keyRevocation, key: directKey, subkeyBinding, subkeyRevocation, keyBinding } = enums.signature
  const primary = block.packet
  const created = seconds(primary.created)
  const verify = (list: readonly SignaturePacket[], types: readonly number[], data: object) =>
    validOnes(library, primary, list, types, { key: primary, ...data }, now)

  const revoked = (await verify(block.signatures, [keyRevocation], {})).length > 0
  const [direct] = await verify(block.signatures, [directKey], {})
  const newest = await Promise.all(block.users.map((user) => certification(library, primary, user, now)))
  const users = block.users.flatMap((user, i) => {
    const self = newest[i]
    return self === undefined || self.signatureType === enums.signature.certRevocation ? [] : [{ user, self }]
  })
  const main = users.reduce<(typeof users)[number] | undefined>(
    (best, next) => (best === undefined || isBefore(best.self, next.self) ? next : best),
    undefined,
  )
  const latest = users.reduce<SignaturePacket | undefined>(
    (best, { self }) => (best === undefined || seconds(self.created) > seconds(best.created) ? self : best),
    undefined,
  )
  const state: KeyState = {
    packet: primary,
    valid: direct !== undefined || main !== undefined,
    revoked,
    maySign: hasSignFlag(enums, direct?.keyFlags ?? main?.self.keyFlags),
    expires: expiry(created, direct) || expiry(created, latest),
  }

  const subkeys = block.subkeys.map(async ({ packet, signatures }): Promise<KeyState> => {
    const data = { bind: packet }
    const [binding] = await verify(signatures, [subkeyBinding], data)
    const back = binding?.embeddedSignature
    const isCrossSigned =
      back?.signatureType === keyBinding && (await isSignedBy(library, back, packet, { key: primary, ...data }))
    return {
      packet,
      valid: state.valid && binding !== undefined && isCrossSigned,
      revoked: revoked || (await verify(signatures, [subkeyRevocation], data)).length > 0,
      maySign: hasSignFlag(enums, binding?.keyFlags),
      expires: expiry(seconds(packet.created), binding),
    }
  })
  return {
    primary: state,
    subkeys: await Promise.all(subkeys),
    userId: (main?.user ?? block.users[0])?.packet.userID ?? '',
    users: block.users
      .map(({ packet }, i) => ({
        userId: packet.userID,
        revoked: newest[i]?.signatureType === enums.signature.certRevocation,
        valid: users.some(({ user }) => user.packet === packet),
      }))
      .sort((a, b) => Number(b.userId === main?.user.packet.userID) - Number(a.userId === main?.user.packet.userID)),
  }
}

/** Returns the newest self-certification of a user id, which may be one that revokes it; `undefined` without any. */
async function certification(
  library: OpenPgpLibrary,
  primary: PublicKeyPacket,
  { packet, signatures }: Signed<UserIDPacket>,
  now: number,
): Promise<SignaturePacket | undefined> {
  const { certGeneric, certPersona, certCasual, certPositive, certRevocation } = library.enums.signature
  const types: number[] = [certGeneric, certPersona, certCasual, certPositive, certRevocation]
  const [newest] = await validOnes(library, primary, signatures, types, { key: primary, userID: packet }, now)
  return newest
}

/** Returns the valid, unexpired signatures of the given types by the primary key, newest first. */
async function validOnes(
  library: OpenPgpLibrary,
  primary: PublicKeyPacket,
  signatures: readonly SignaturePacket[],
  types: readonly number[],
  data: object,
  now: number,
): Promise<SignaturePacket[]> {
  const valid: SignaturePacket[] = []
  for (const signature of signatures) {
    if (signature.signatureType === null || !types.includes(signature.signatureType)) continue
    const end = signatureExpiry(signature)
    if (end !== 0 && end <= now) continue
    if (await isSignedBy(library, signature, primary, data)) valid.push(signature)
  }
  return valid.sort((a, b) => seconds(b.created) - seconds(a.created))
}

/** Tests whether `b` precedes `a` as primary user id: a flagged one precedes the others, then the newer one. */
function isBefore(a: SignaturePacket, b: SignaturePacket): boolean {
  const primary = Number(b.isPrimaryUserID === true) - Number(a.isPrimaryUserID === true)
  return primary !== 0 ? primary > 0 : seconds(b.created) > seconds(a.created)
}

/** Tests whether a key may sign. A key without flags may be used for everything. */
function hasSignFlag(enums: OpenPgpLibrary['enums'], flags: Uint8Array | null | undefined): boolean {
  return flags === null || flags === undefined || ((flags[0] ?? 0) & enums.keyFlags.signData) !== 0
}

function expiry(created: number, signature: SignaturePacket | undefined): number {
  const life = signature?.keyExpirationTime
  return life === undefined || life === null || life === 0 ? 0 : created + life
}

/** Returns when a signature expires: seconds since the epoch, 0 for never. */
export function signatureExpiry({ created, signatureNeverExpires, signatureExpirationTime }: SignaturePacket): number {
  return signatureNeverExpires ? 0 : seconds(created) + (signatureExpirationTime ?? 0)
}

/** Converts a date to seconds since the epoch; `null` gives 0. */
export function seconds(date: Date | null): number {
  return Math.floor((date?.getTime() ?? 0) / 1000)
}
