/** `ostree remote show-url`. Source: ot-remote-builtin-show-url.c. */

import { remoteUrl } from '../../../repo/index.ts'
import { command } from '../../command.ts'
import { JSON_OPTION } from '../../values.ts'

export const showUrl = command({
  name: 'remote show-url',
  summary: 'Show remote repository URL',
  usage: 'NAME',
  repo: true,
  rawArgs: true,
  options: JSON_OPTION,
  async run({ options, args: [name], out, repo, usageError }) {
    const opened = await repo()
    if (name === undefined) throw usageError('NAME must be specified')
    const url = await remoteUrl(opened, name)
    if (options.json) out.json({ name, url })
    else out.line(url)
  },
})
