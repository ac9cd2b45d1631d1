/** `ostree sign`. Source: ot-builtin-sign.c. */

import type { Checksum } from '../../bytes.ts'
import { DeniedError, OstreeError } from '../../errors.ts'
import { type Repo, type SignatureEngine, signCommit, verifyCommitWith } from '../../repo/index.ts'
import { type CommandContext, command } from '../command.ts'
import { imageRevision } from '../image-revision.ts'
import { engineOf, keysFileSigners, keysOf, signersOf, VERIFY_OPTIONS } from '../signing/keys.ts'

const OPTIONS = {
  delete: { type: 'flag', short: 'd', help: 'Delete signatures having any of the KEY-IDs' },
  verify: { type: 'flag', help: 'Verify signatures' },
  'sign-type': { ...VERIFY_OPTIONS['sign-type'], short: 's' },
  'keys-file': { ...VERIFY_OPTIONS['keys-file'], help: 'Read keys from file' },
  'keys-dir': VERIFY_OPTIONS['keys-dir'],
} as const

type Options = CommandContext<typeof OPTIONS>['options']

export const sign = command({
  name: 'sign',
  summary: 'Sign a commit',
  usage: 'COMMIT KEY-ID...',
  repo: true,
  compactUsage: true,
  rawArgs: true,
  options: OPTIONS,
  async run({ options, args: [given, ...keys], env, out, repo: openRepo, usageError }) {
    const repo = await openRepo()
    if (given === undefined) throw usageError('Need a COMMIT to sign or verify')
    if (!options.verify && keys.length === 0 && options['keys-file'] === undefined) {
      throw usageError('Need at least one KEY-ID to sign with')
    }
    const commit = await repo.resolve(await imageRevision(repo, given))
    const engine = engineOf(options, env)
    // As in ostree, --delete has no effect.
    if (options.verify) out.line(await verify(repo, commit, engine, keys, options))
    else {
      for (const signer of signersOf(options, keys, env)) await signCommit(repo, commit, [signer])
      for (const signer of keysFileSigners(() => engine, options)) await signCommit(repo, commit, [signer])
    }
  },
})

/** Tries the keys one by one, then those of the file, or of the system if no keys are given. */
async function verify(
  repo: Repo,
  commit: Checksum,
  engine: SignatureEngine,
  keys: readonly string[],
  options: Options,
): Promise<string> {
  for (const key of keys) {
    try {
      return await verifyCommitWith(repo, commit, engine, { trusted: [engine.parsePublicKey(key)] })
    } catch (error) {
      if (!(error instanceof OstreeError)) throw error
    }
  }
  if (keys.length > 0 && options['keys-file'] === undefined) {
    throw new DeniedError(commit, 'No valid signatures found')
  }
  return await verifyCommitWith(repo, commit, engine, await keysOf(engine, options))
}
