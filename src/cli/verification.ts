/** Provides what the verification of signatures needs from the machine: keys, clock and time zone. */
import type { Verification } from '../repo/index.ts'
import { createKeySource } from '../repo/local.ts'
import { formatTime } from '../sign/index.ts'

/** Returns the keys, the clock and the time zone of this machine. */
export function hostVerification(): Verification {
  return {
    now: () => Math.floor(Date.now() / 1000),
    dummySignatures: process.env['OSTREE_DUMMY_SIGN_ENABLED'] !== undefined,
    keys: createKeySource({ gpgHome: process.env['OSTREE_GPG_HOME'] }),
    formatTime: (seconds) => formatTime(seconds - new Date(seconds * 1000).getTimezoneOffset() * 60),
  }
}
