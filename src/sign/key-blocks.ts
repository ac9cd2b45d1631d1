/**
 * Public keys as they stand in a keyring: what each says of itself, by signatures of its own.
 *
 * ```
 * key · direct signatures, revocations
 *   user id · certifications by the key itself, by others
 *   subkey · binding signatures, revocations
 * ```
 *
 * What holds is what the newest valid signature says; signatures by others say nothing here. The same key out of two
 * files is one key, with all that is said of it.
 *
 * Source: GnuPG, g10/getkey.c (merge_selfsigs); RFC 9580, 10.1.
 */

import type { BasePacket, PublicKeyPacket, PublicSubkeyPacket, SignaturePacket, UserIDPacket } from 'openpgp'
import type { KeyRings } from './interface.ts'
import { isSignedBy, type OpenPgpLibrary, readPacket } from './library.ts'
import { splitPackets, unarmor } from './packets.ts'

/** Packets read out of one keyring file. */
const MAX_PACKETS = 1 << 16
const TRUST_TAG = 12

interface Signed<T> {
  readonly packet: T
  readonly signatures: SignaturePacket[]
}

export interface KeyBlock extends Signed<PublicKeyPacket> {
  readonly users: Signed<UserIDPacket>[]
  readonly subkeys: Signed<PublicSubkeyPacket>[]
}

/** What a key may be used for, and for how long. */
export interface KeyState {
  readonly packet: PublicKeyPacket | PublicSubkeyPacket
  /** Vouched for by the primary key; a subkey that signs has to vouch for that, too. */
  readonly valid: boolean
  readonly revoked: boolean
  readonly maySign: boolean
  /** Seconds since the epoch, 0 for never. */
  readonly expires: number
}

export interface EvaluatedKey {
  readonly primary: KeyState
  readonly subkeys: readonly KeyState[]
  /** The one it goes by first; empty when it has none. */
  readonly userId: string
}

/** @returns by fingerprint */
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

/** Where the next packet belongs; nowhere while what it follows could not be read. */
interface Reading {
  readonly blocks: Map<string, KeyBlock>
  block: KeyBlock | undefined
  signatures: SignaturePacket[] | undefined
}

function place(library: OpenPgpLibrary, at: Reading, packet: BasePacket | undefined): void {
  if (packet instanceof library.SignaturePacket) at.signatures?.push(packet)
  else if (packet instanceof library.PublicSubkeyPacket) {
    // Asked first: to the library a subkey is a key as well.
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

/** Verifies what the key says of itself. @param now seconds since the epoch */
export async function evaluateKey(library: OpenPgpLibrary, block: KeyBlock, now: number): Promise<EvaluatedKey> {
  const { enums } = library
  const { keyRevocation, key: directKey, subkeyBinding, subkeyRevocation, keyBinding } = enums.signature
  const primary = block.packet
  const created = seconds(primary.created)
  const verify = (list: readonly SignaturePacket[], types: readonly number[], data: object) =>
    validOnes(library, primary, list, types, { key: primary, ...data }, now)

  const revoked = (await verify(block.signatures, [keyRevocation], {})).length > 0
  const [direct] = await verify(block.signatures, [directKey], {})
  const certifications = await Promise.all(block.users.map((user) => certification(library, primary, user, now)))
  const users = block.users.flatMap((user, i) => {
    const self = certifications[i]
    return self === undefined ? [] : [{ user, self }]
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
  }
}

/** The newest word of the key on a user id of its own, unless that takes it back. */
async function certification(
  library: OpenPgpLibrary,
  primary: PublicKeyPacket,
  { packet, signatures }: Signed<UserIDPacket>,
  now: number,
): Promise<SignaturePacket | undefined> {
  const { certGeneric, certPersona, certCasual, certPositive, certRevocation } = library.enums.signature
  const types: number[] = [certGeneric, certPersona, certCasual, certPositive, certRevocation]
  const [newest] = await validOnes(library, primary, signatures, types, { key: primary, userID: packet }, now)
  return newest?.signatureType === certRevocation ? undefined : newest
}

/** Signatures of these types the primary key made, newest first. Those that were for a while and are over are out. */
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

/** Whether `b` is to go first: the one flagged so, the newest of several; else the newest. */
function isBefore(a: SignaturePacket, b: SignaturePacket): boolean {
  const primary = Number(b.isPrimaryUserID === true) - Number(a.isPrimaryUserID === true)
  return primary !== 0 ? primary > 0 : seconds(b.created) > seconds(a.created)
}

/** A key that does not say what it is for may be used for all. */
function hasSignFlag(enums: OpenPgpLibrary['enums'], flags: Uint8Array | null | undefined): boolean {
  return flags === null || flags === undefined || ((flags[0] ?? 0) & enums.keyFlags.signData) !== 0
}

function expiry(created: number, signature: SignaturePacket | undefined): number {
  const life = signature?.keyExpirationTime
  return life === undefined || life === null || life === 0 ? 0 : created + life
}

/** Seconds since the epoch, 0 for never. */
export function signatureExpiry({ created, signatureNeverExpires, signatureExpirationTime }: SignaturePacket): number {
  return signatureNeverExpires ? 0 : seconds(created) + (signatureExpirationTime ?? 0)
}

export function seconds(date: Date | null): number {
  return Math.floor((date?.getTime() ?? 0) / 1000)
}
