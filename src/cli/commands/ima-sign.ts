/** `ima-sign`. Source: ostree-ext, cli.rs, ima.rs. */

import { join } from 'node:path'
import { UsageError } from '../../errors.ts'
import { imaSign } from '../../repo/index.ts'
import { isSqlitePath } from '../../repo/local.ts'
import { command } from '../command.ts'
import { createEvmctlSigner } from '../evmctl.ts'

export const imaSignCommand = command({
  name: 'ima-sign',
  summary: 'Sign the files of a commit for IMA',
  usage: 'SRC_REV TARGET_REF ALGORITHM KEY',
  repo: true,
  long: true,
  options: {
    overwrite: { type: 'flag', help: 'Also sign files that already have a signature' },
  },
  async run({ repo, repoPath, args, options, out, signal }) {
    const [rev, target, algorithm, key, ...more] = args
    if (rev === undefined || target === undefined || algorithm === undefined || key === undefined || more.length > 0) {
      throw new UsageError('SRC_REV, TARGET_REF, ALGORITHM and KEY must be specified')
    }
    const opened = await repo()
    const path = repoPath()
    using signer = createEvmctlSigner(algorithm, key, isSqlitePath(path) ? undefined : join(path, 'tmp'))
    const from = await opened.resolve(rev)
    const commit = await imaSign(opened, from, signer.sign, { overwrite: options.overwrite, signal })
    await opened.setRef(target, commit)
    out.line(`${target} => ${commit}`)
  },
})
