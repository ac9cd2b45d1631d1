/** `ostree remote refs`. Source: ot-remote-builtin-refs.c. */

import { compareUtf8 } from '../../../bytes.ts'
import { NotFoundError } from '../../../errors.ts'
import { Summary } from '../../../repo/index.ts'
import { command } from '../../command.ts'
import { JSON_OPTION } from '../../values.ts'
import { CACHE_DIR } from './options.ts'
import { summaryOf } from './summary-of.ts'

export const refs = command({
  name: 'remote refs',
  summary: 'List remote refs',
  usage: 'NAME',
  repo: true,
  rawArgs: true,
  options: {
    revision: { type: 'flag', short: 'r', help: 'Show revisions in listing' },
    ...CACHE_DIR,
    ...JSON_OPTION,
  },
  async run({ options, args: [remote], out, env, signal, repo, usageError }) {
    const opened = await repo()
    if (remote === undefined) throw usageError('NAME must be specified')
    const found = await summaryOf(opened, remote, { env, signal }, options['cache-dir'])
    if (found === undefined) {
      throw new NotFoundError(remote, 'Remote refs not available; server has no summary file')
    }
    for (const { name, latest } of Summary.decode(found.bytes).refs.toSorted((a, b) => compareUtf8(a.name, b.name))) {
      const { commit } = latest
      if (options.json) out.json({ name, commit })
      else out.line(`${remote}:${name}${options.revision ? `\t${commit}` : ''}`)
    }
  },
})
