/** `ostree static-delta indexes` and `reindex`. Source: ot-builtin-static-delta.c. */

import { parseChecksum } from '../../../objects/index.ts'
import { listIndexes, reindexDeltas } from '../../../repo/index.ts'
import { command } from '../../command.ts'
import { JSON_OPTION } from '../../values.ts'

export const indexes = command({
  name: 'static-delta indexes',
  summary: 'List static delta indexes',
  usage: '',
  repo: true,
  rawArgs: true,
  options: JSON_OPTION,
  async run({ options, out, repo: openRepo }) {
    const targets = await listIndexes(await openRepo())
    // "deltas" is a typing error of ostree's.
    if (targets.length === 0 && !options.json) out.line('(No static deltas indexes)')
    for (const to of targets) {
      if (options.json) out.json({ to })
      else out.line(to)
    }
  },
})

export const reindex = command({
  name: 'static-delta reindex',
  summary: 'Regenerate static delta indexes',
  usage: '',
  repo: true,
  rawArgs: true,
  options: { to: { type: 'string', arg: 'REV', help: 'Only update delta index to revision REV' } },
  async run({ options: { to }, repo: openRepo }) {
    const repo = await openRepo()
    await reindexDeltas(repo, to === undefined ? undefined : parseChecksum(to))
  },
})
