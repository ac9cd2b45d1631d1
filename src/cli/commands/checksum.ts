/** `ostree checksum`. Source: ot-builtin-checksum.c. */

import { IoError, UsageError } from '../../errors.ts'
import { nodePlatform } from '../../platform/node.ts'
import { checksumPath } from '../../repo/local.ts'
import { command } from '../command.ts'
import { JSON_OPTION } from '../values.ts'

export const checksum = command({
  name: 'checksum',
  summary: 'Checksum a file or directory',
  usage: 'PATH',
  repo: false,
  rawArgs: true,
  options: { 'ignore-xattrs': { type: 'flag', help: "Don't include xattrs in checksum" }, ...JSON_OPTION },
  run({ options, args: [path], out }) {
    if (path === undefined) throw new UsageError('A filename must be given')
    // GIO has a file for the empty path too, with which nothing can be done.
    if (path === '' && !options['ignore-xattrs']) throw new IoError('Operation not supported', 'ENOTSUP', path)
    const checksum = checksumPath(path, nodePlatform, options['ignore-xattrs'])
    if (options.json) out.json({ path, checksum })
    else out.line(checksum)
  },
})
