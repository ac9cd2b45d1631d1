/** `ostree static-delta apply-offline`. Source: ot-builtin-static-delta.c. */

import { DeniedError, UsageError } from '../../../errors.ts'
import { applyDelta, readSuperblock, verifyDelta } from '../../../repo/index.ts'
import { command } from '../../command.ts'
import { readDeltaAt } from '../../deltas/delta-files.ts'
import { makeVerifier, SIGN_OPTIONS } from '../../deltas/verifier.ts'

export const applyOffline = command({
  name: 'static-delta apply-offline',
  summary: 'Apply static delta file',
  usage: '',
  repo: true,
  rawArgs: true,
  long: true,
  options: SIGN_OPTIONS,
  async run({ options, args: [path, ...keys], env, signal, repo: openRepo }) {
    const repo = await openRepo()
    if (path === undefined) throw new UsageError('PATH must be specified')
    const { 'sign-type': type, 'keys-file': file, 'keys-dir': directory } = options
    const asked = keys.length > 0 || [type, file, directory].some((value) => value !== undefined)
    const verifier = asked ? await makeVerifier(options, keys, env) : undefined
    const { superblock, openPart } = readDeltaAt(path)
    const delta = readSuperblock(superblock, repo.platform)
    // ostree verifies only superblocks that have signatures, and does not notice if they were removed.
    if (verifier !== undefined) await verifyDelta(delta, verifier)
    else if (repo.config.getBoolean('core', 'sign-verify-deltas', false)) {
      throw new DeniedError('sign-verify-deltas', 'Key is mandatory to check delta signature')
    }
    await applyDelta(repo, delta, { openPart, signal })
  },
})
