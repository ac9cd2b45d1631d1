/** `ostree static-delta delete`. Source: ot-builtin-static-delta.c. */

import { UsageError } from '../../../errors.ts'
import { deleteDelta, parseDeltaName } from '../../../repo/index.ts'
import { command } from '../../command.ts'

export const deleteCommand = command({
  name: 'static-delta delete',
  summary: 'Remove a delta',
  usage: '',
  repo: true,
  rawArgs: true,
  options: {},
  async run({ args: [name], repo: openRepo }) {
    const repo = await openRepo()
    if (name === undefined) throw new UsageError('DELTA must be specified')
    await deleteDelta(repo, parseDeltaName(name))
  },
})
