/** `ostree static-delta verify`. Source: ot-builtin-static-delta.c. */

import { UnsupportedError, UsageError } from '../../../errors.ts'
import { type DeltaSuperblock, readSuperblock, verifyDelta } from '../../../repo/index.ts'
import { command } from '../../command.ts'
import { readDelta } from '../../deltas/delta-files.ts'
import { makeVerifier, SIGN_OPTIONS } from '../../deltas/verifier.ts'
import { NOT_IMPLEMENTED } from '../../signing/keys.ts'

export const verify = command({
  name: 'static-delta verify',
  summary: 'Verify static delta signatures',
  usage: 'STATIC-DELTA-FILE [KEY-ID...]',
  repo: true,
  rawArgs: true,
  options: SIGN_OPTIONS,
  async run({ options, args: [name, ...keys], env, out, repo: openRepo }) {
    const repo = await openRepo()
    if (name === undefined) throw new UsageError('DELTA must be specified')
    const verifier = await makeVerifier(options, keys, env).catch((error: unknown) => {
      if (error instanceof UnsupportedError && error.message === NOT_IMPLEMENTED) out.line('Sign-type not supported')
      throw error
    })
    try {
      const { superblock } = await readDelta(repo, name)
      let delta: DeltaSuperblock | undefined
      try {
        delta = readSuperblock(superblock, repo.platform)
      } catch {
        // What is not a superblock has no signatures, either.
      }
      await verifyDelta(delta ?? NOTHING, verifier)
    } catch (error) {
      out.line('Verification fails')
      throw error
    }
    out.line('Verification OK')
  },
})

/** Stands for a file that is not a superblock. */
const NOTHING = { signatures: undefined, signedBytes: new Uint8Array() }
