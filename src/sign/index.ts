/** Verification of OpenPGP and Ed25519 signatures, and keyrings. */

export { describeSignature, formatTime, type TimeFormat } from './describe.ts'
export { type Ed25519Keys, parseEd25519Key, parseEd25519Keys, verifyEd25519 } from './ed25519.ts'
export type { KeyRings, OpenPgpIdentity, OpenPgpSignature, OpenPgpStatus } from './interface.ts'
export { type MergedKeyRing, mergeKeyRings, selectKeys } from './merge-keyrings.ts'
export { MAX_SIGNATURES, verifyOpenPgp } from './openpgp.ts'
export { parseUserId, type UserName } from './user-id.ts'
