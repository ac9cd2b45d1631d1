/** `ostree remote list`. Source: ot-remote-builtin-list.c. */

import { listRemotes, remoteUrl } from '../../../repo/index.ts'
import { command } from '../../command.ts'
import { widest } from '../../text/table.ts'
import { JSON_OPTION } from '../../values.ts'

export const list = command({
  name: 'remote list',
  summary: 'List remote repository names',
  usage: '',
  repo: true,
  rawArgs: true,
  options: { 'show-urls': { type: 'flag', short: 'u', help: 'Show remote URLs in list' }, ...JSON_OPTION },
  async run({ options, out, repo: openRepo }) {
    const repo = await openRepo()
    const names = await listRemotes(repo)
    const width = widest(names)
    for (const name of names) {
      const url = options['show-urls'] ? await remoteUrl(repo, name) : undefined
      if (options.json) out.json({ name, url })
      else out.line(url === undefined ? name : `${name.padEnd(width)}  ${url}`)
    }
  },
})
