/** `ostree static-delta list`. Source: ot-builtin-static-delta.c. */

import { formatDeltaName } from '../../../repo/index.ts'
import { command } from '../../command.ts'
import { JSON_OPTION } from '../../values.ts'

export const list = command({
  name: 'static-delta list',
  summary: 'List static delta files',
  usage: '',
  repo: true,
  rawArgs: true,
  options: JSON_OPTION,
  async run({ options, out, repo: openRepo }) {
    const repo = await openRepo()
    const deltas = (await repo.storage.deltas?.list()) ?? []
    if (options.json) {
      for (const { from = null, to } of deltas) out.json({ from, to })
      return
    }
    if (deltas.length === 0) out.line('(No static deltas)')
    for (const delta of deltas) out.line(formatDeltaName(delta))
  },
})
