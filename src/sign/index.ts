/** Signatures: OpenPGP, ed25519, spki and dummy; and keyrings. */

export { describeSignature, formatTime, type TimeFormat } from './describe.ts'
export { ed25519, parseEd25519Key, parseEd25519Keys } from './ed25519.ts'
export type { PublicKeys, SignatureEngine } from './engine.ts'
export { createSigner, signatureEngine, signatureEngines } from './engines.ts'
export type { KeyRings, OpenPgpIdentity, OpenPgpSignature, OpenPgpStatus, Signer } from './interface.ts'
export { type OpenPgpLibrary, useOpenPgp } from './library.ts'
export { describeKeys } from './list-keys.ts'
export { type MergedKeyRing, mergeKeyRings, selectKeys } from './merge-keyrings.ts'
export { MAX_SIGNATURES, verifyOpenPgp } from './openpgp.ts'
export { parseUserId, type UserName } from './user-id.ts'
