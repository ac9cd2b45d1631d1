export { describeSignature, formatTime, type TimeFormat } from './describe.ts'
export type { KeyRings, OpenPgpIdentity, OpenPgpSignature, OpenPgpStatus } from './interface.ts'
export { MAX_SIGNATURES, verifyOpenPgp } from './openpgp.ts'
export { parseUserId, type UserName } from './user-id.ts'
