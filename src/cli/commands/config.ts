/** `ostree config`. Source: ot-builtin-config.c. */

import { UsageError } from '../../errors.ts'
import { editConfig } from '../../repo/index.ts'
import { command } from '../command.ts'
import { JSON_OPTION } from '../values.ts'

export const config = command({
  name: 'config',
  summary: 'Change repo configuration settings',
  usage: '(get KEY|set KEY VALUE|unset KEY)',
  repo: true,
  rawArgs: true,
  options: { group: { type: 'string', help: 'Group name' }, ...JSON_OPTION },
  async run({ options, args: [operation, ...rest], out, repo: openRepo, usageError }) {
    const repo = await openRepo()
    if (operation === undefined) throw usageError('OPERATION must be specified')
    const { group } = options
    const most = { set: 2, get: 1, unset: 1 }[operation]
    if (most === undefined) throw new UsageError(`Unknown operation ${operation}`)
    if (rest.length > most) throw usageError('Too many arguments given')
    const [name, value] = rest
    if (operation === 'set') {
      if (name === undefined || value === undefined) {
        throw new UsageError(`${group === undefined ? '' : 'GROUP name, '}KEY and VALUE must be specified`)
      }
      await editConfig(repo, (file) => file.set(...splitKey(name, group), value))
      return
    }
    if (name === undefined) {
      throw new UsageError(group === undefined ? 'KEY must be specified' : 'Group name and key must be specified')
    }
    const [section, key] = splitKey(name, group)
    if (operation === 'get') {
      const text = repo.config.getString(section, key)
      if (options.json) out.json({ group: section, key, value: text })
      else out.line(text)
    } else await editConfig(repo, (file) => void file.remove(section, key))
  },
})

/** Splits `core.mode` into group `core` and key `mode`. With `--group` given, the name is the key. */
function splitKey(name: string, group: string | undefined): [group: string, key: string] {
  if (group !== undefined) return [group, name]
  const dot = name.indexOf('.')
  if (dot < 0) throw new UsageError('Key must be of the form "sectionname.keyname"')
  return [name.slice(0, dot), name.slice(dot + 1)]
}
