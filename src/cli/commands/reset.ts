/** `ostree reset`. Source: ot-builtin-reset.c. */

import { InvalidNameError } from '../../errors.ts'
import { requireWritable } from '../../repo/internal.ts'
import { command } from '../command.ts'

export const reset = command({
  name: 'reset',
  summary: 'Reset a REF to a previous COMMIT',
  usage: 'REF COMMIT',
  repo: true,
  rawArgs: true,
  options: {},
  async run({ args: [ref, rev], repo: openRepo, usageError }) {
    const repo = await openRepo()
    await requireWritable(repo)
    if (ref === undefined || rev === undefined) throw usageError('A REF and COMMIT argument is required')
    const known = await repo.listRefs()
    if (!known.some(({ name }) => name === ref)) throw new InvalidNameError(ref, `Invalid ref '${ref}'`)
    await repo.setRef(ref, await repo.resolve(rev))
  },
})
