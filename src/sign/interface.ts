/** Signers, and results of verifying OpenPGP signatures. */

import type { MaybePromise } from '../bytes.ts'

/** Makes signatures of one type with one key. */
export interface Signer {
  /** Type of the signatures: `gpg`, or the name of an engine such as `ed25519`. */
  readonly engine: string
  /** Returns the signature of `data`. */
  sign(data: Uint8Array): MaybePromise<Uint8Array>
}

/** Result of verifying one OpenPGP signature; only `good` means that the signature can be trusted. */
export type OpenPgpStatus =
  | 'good'
  /** The signature does not match data and key, or has a critical subpacket that is not understood. */
  | 'bad'
  /** The public key is not in the keyrings. */
  | 'missing-key'
  /** The signature matches but has expired. */
  | 'expired'
  | 'key-expired'
  | 'key-revoked'
  /**
   * The signature matches but is not acceptable: it uses MD5, or its key is invalid, may not sign, or is newer than it.
   */
  | 'refused'

/** A signing key and the user id it claims. */
export interface OpenPgpIdentity {
  /** 40 upper-case hex digits. */
  readonly fingerprint: string
  /** Fingerprint of the primary key; equal to `fingerprint` unless a subkey signed. */
  readonly primaryFingerprint: string
  /** Name in the user id; empty when it has none. */
  readonly name: string
  /** Address in the user id; empty when it has none. */
  readonly email: string
  /** Expiry of the signing key: seconds since the epoch, 0 for never. */
  readonly expires: number
  /** Expiry of the primary key: seconds since the epoch, 0 for never. */
  readonly primaryExpires: number
}

/** One verified signature. */
export interface OpenPgpSignature {
  readonly status: OpenPgpStatus
  /** 16 upper-case hex digits. */
  readonly keyId: string
  /** `undefined` when the key is not in the keyrings. */
  readonly key: OpenPgpIdentity | undefined
  /** Seconds since the epoch. */
  readonly created: number
  /** Seconds since the epoch, 0 for never. */
  readonly expires: number
  /** Public key algorithm in GnuPG's spelling: `RSA`, `EdDSA`, …; `undefined` when the number is unknown. */
  readonly algorithm: string | undefined
}

/** Public keys; each item is the content of a keyring file, binary or armored. Unreadable packets are skipped. */
export type KeyRings = readonly Uint8Array[]
