/**
 * Verifies detached OpenPGP signatures as GnuPG does without a trust database: every key in the keyrings is trusted.
 *
 * Source: GnuPG 2.2, g10/mainproc.c (check_sig_and_print), g10/sig-check.c; libostree, ostree-gpg-verifier.c.
 */

import type { SignaturePacket } from 'openpgp'
import { concatBytes } from '../bytes.ts'
import { DeniedError, LimitError } from '../errors.ts'
import type { KeyRings, OpenPgpIdentity, OpenPgpSignature } from './interface.ts'
import { type EvaluatedKey, evaluateKey, type KeyState, readKeyBlocks, seconds, signatureExpiry } from './key-blocks.ts'
import { isSignedBy, loadOpenPgp, type OpenPgpLibrary, readPacket } from './library.ts'
import { type Packet, splitPackets, unarmor } from './packets.ts'
import { parseUserId } from './user-id.ts'

/** Most signatures of one object. */
export const MAX_SIGNATURES = 256

/** GnuPG's names of public key algorithms, by number. */
const ALGORITHMS: Readonly<Record<number, string>> = { 1: 'RSA', 3: 'RSA-S', 17: 'DSA', 19: 'ECDSA', 22: 'EdDSA' }

interface Signer {
  readonly key: EvaluatedKey
  readonly state: KeyState
}

/**
 * Verifies signatures over `data`, in order. Stops after the first `bad` one. Signatures of a version that the library
 * does not know are skipped.
 * @param signatures each item is binary or armored, and may hold several signatures
 * @param now seconds since the epoch
 * @returns one result per signature that was verified
 * @throws {DeniedError} when `signatures` holds no signature packets
 * @throws {LimitError} when there are more than MAX_SIGNATURES
 * @throws {UnsupportedError} when the package openpgp is not installed
 */
export async function verifyOpenPgp(
  data: Uint8Array,
  signatures: readonly Uint8Array[],
  rings: KeyRings,
  now: number,
): Promise<OpenPgpSignature[]> {
  const packets = signaturePackets(signatures)
  const library = await loadOpenPgp()
  const blocks = await readKeyBlocks(library, rings)
  const evaluated = new Map<string, Promise<Signer | undefined>>()
  const signerOf = (keyId: string): Promise<Signer | undefined> => {
    const known = evaluated.get(keyId)
    if (known !== undefined) return known
    const block = blocks.find(({ packet, subkeys }) =>
      [packet, ...subkeys.map((subkey) => subkey.packet)].some((key) => key.getKeyID().toHex() === keyId),
    )
    const signer = block && evaluateKey(library, block, now).then((key) => pick(key, keyId))
    evaluated.set(keyId, Promise.resolve(signer))
    return Promise.resolve(signer)
  }

  const readable = (await Promise.all(packets.map(({ bytes }) => readPacket(library, bytes)))).filter(
    (packet) => packet instanceof library.SignaturePacket,
  )
  if (packets.length > 0 && readable.length === 0) throw noData()
  const verdicts: OpenPgpSignature[] = []
  for (const signature of readable) {
    const verdict = await judge(library, data, signature, await signerOf(signature.issuerKeyID.toHex()), now)
    verdicts.push(verdict)
    if (verdict.status === 'bad') break
  }
  return verdicts
}

const SIGNATURE_TAG = 2

/** Joins the signatures and splits them into packets, up to the first packet that is not a signature. */
function signaturePackets(signatures: readonly Uint8Array[]): readonly Packet[] {
  const { packets, fault } = splitPackets(unarmor(concatBytes(signatures)))
  if (fault === 'not-openpgp' || (packets.length === 0 && fault !== 'in-parts')) throw noData()
  const end = packets.findIndex(({ tag }) => tag !== SIGNATURE_TAG)
  const found = end < 0 ? packets : packets.slice(0, end)
  if (found.length > MAX_SIGNATURES) throw new LimitError('signatures', MAX_SIGNATURES)
  return found
}

function pick(key: EvaluatedKey, keyId: string): Signer | undefined {
  const state = [key.primary, ...key.subkeys].find(({ packet }) => packet.getKeyID().toHex() === keyId)
  return state && { key, state }
}

async function judge(
  library: OpenPgpLibrary,
  data: Uint8Array,
  signature: SignaturePacket,
  signer: Signer | undefined,
  now: number,
): Promise<OpenPgpSignature> {
  const verdict = {
    keyId: signature.issuerKeyID.toHex().toUpperCase(),
    key: signer && identity(signer),
    created: seconds(signature.created),
    expires: signatureExpiry(signature),
    algorithm: ALGORITHMS[signature.publicKeyAlgorithm ?? 0],
  }
  if (signer === undefined) return { ...verdict, status: 'missing-key' }
  const { binary, text } = library.enums.signature
  const isOfData = signature.signatureType === binary || signature.signatureType === text
  const { state, key } = signer
  if (!isOfData || !(await isSignedBy(library, signature, state.packet, await literal(library, data)))) {
    return { ...verdict, status: 'bad' }
  }
  const born = seconds(state.packet.created)
  const isRefused =
    signature.hashAlgorithm === library.enums.hash.md5 ||
    !state.valid ||
    !state.maySign ||
    born > verdict.created ||
    born > now
  if (isRefused) return { ...verdict, status: 'refused' }
  if (isOver(verdict.expires, now)) return { ...verdict, status: 'expired' }
  if (isOver(state.expires, now) || isOver(key.primary.expires, now)) return { ...verdict, status: 'key-expired' }
  return { ...verdict, status: state.revoked ? 'key-revoked' : 'good' }
}

function isOver(end: number, now: number): boolean {
  return end !== 0 && end <= now
}

function identity({ key, state }: Signer): OpenPgpIdentity {
  return {
    fingerprint: state.packet.getFingerprint().toUpperCase(),
    primaryFingerprint: key.primary.packet.getFingerprint().toUpperCase(),
    ...parseUserId(key.userId),
    expires: state.expires,
    primaryExpires: key.primary.expires,
  }
}

/** Wraps data in a literal data packet, which is what the library hashes. */
async function literal(library: OpenPgpLibrary, data: Uint8Array): Promise<object> {
  const message = await library.createMessage({ binary: data })
  const [packet] = message.packets
  return packet as object // createMessage makes exactly one
}

function noData(): DeniedError {
  return new DeniedError('signature', 'GPG: Unable to complete signature verification: GPGME: No data')
}
