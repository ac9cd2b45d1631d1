/** What is said of signatures, whoever verified them. */

/** What came of one OpenPGP signature; only `good` vouches for anything. */
export type OpenPgpStatus =
  | 'good'
  /** It is not one of these bytes by that key, or says something critical nobody here understands. */
  | 'bad'
  /** No public key to check it with. */
  | 'missing-key'
  /** Good once, but it was to hold for a while only. */
  | 'expired'
  | 'key-expired'
  | 'key-revoked'
  /** Right by its numbers, and not to be relied on: a broken hash, a key that may not sign or is younger than it. */
  | 'refused'

/** A key and who says it is theirs. */
export interface OpenPgpIdentity {
  /** 40 upper-case hex digits. */
  readonly fingerprint: string
  /** Of the key the signing one belongs to; its own when that is no subkey. */
  readonly primaryFingerprint: string
  /** Empty when the key does not say. */
  readonly name: string
  readonly email: string
  /** When the signing key expires; seconds since the epoch, 0 for never. */
  readonly expires: number
  readonly primaryExpires: number
}

export interface OpenPgpSignature {
  readonly status: OpenPgpStatus
  /** 16 upper-case hex digits. */
  readonly keyId: string
  /** `undefined` without the key. */
  readonly key: OpenPgpIdentity | undefined
  /** Seconds since the epoch. */
  readonly created: number
  /** Seconds since the epoch, 0 for never. */
  readonly expires: number
  /** As GnuPG calls it: `RSA`, `EdDSA`, …; `undefined` when that is unknown. */
  readonly algorithm: string | undefined
}

/** Public keys; each item is the content of a file, binary or armored. What cannot be read in them is passed over. */
export type KeyRings = readonly Uint8Array[]
