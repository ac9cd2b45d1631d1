/** `ostree gpg-sign`. Source: ot-builtin-gpg-sign.c. */

import { deleteGpgSignatures, gpgSignCommit } from '../../repo/internal.ts'
import { createGpgSigner } from '../../repo/local.ts'
import { command } from '../command.ts'
import { imageRevision } from '../image-revision.ts'
import { keyRingsOf } from '../signing/gpg.ts'

export const gpgSign = command({
  name: 'gpg-sign',
  summary: 'Sign a commit',
  usage: 'COMMIT KEY-ID...',
  repo: true,
  compactUsage: true,
  rawArgs: true,
  options: {
    delete: { type: 'flag', short: 'd', help: 'Delete signatures having any of the GPG KEY-IDs' },
    'gpg-homedir': { type: 'string', raw: true, arg: 'HOMEDIR', help: 'GPG Homedir to use when looking for keyrings' },
  },
  async run({ options, args: [given, ...keyIds], out, repo: openRepo, usageError }) {
    const repo = await openRepo()
    if (given === undefined) throw usageError('Need a COMMIT to sign')
    if (keyIds.length === 0) throw usageError('Need at least one GPG KEY-ID to sign with')
    const commit = await repo.resolve(await imageRevision(repo, given))
    const homedir = options['gpg-homedir']
    const { hostVerification } = await import('../verification.ts')
    const verification = hostVerification()
    const rings = await keyRingsOf(verification, homedir)
    if (options.delete) {
      const count = await deleteGpgSignatures(repo, commit, keyIds, rings, verification)
      return out.line(`Signatures deleted: ${count}`)
    }
    for (const keyId of keyIds) {
      await gpgSignCommit(repo, commit, keyId, createGpgSigner(keyId, { homedir }), rings, verification)
    }
  },
})
