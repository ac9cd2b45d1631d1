/** `ostree remote gpg-import` and `gpg-list-keys`, for remotes without keys only. Source: ot-remote-builtin-gpg-*.c. */

import { UnsupportedError } from '../../../errors.ts'
import { findRemote } from '../../../repo/index.ts'
import { requireRepoFiles } from '../../../repo/internal.ts'
import { command } from '../../command.ts'

export const gpgImport = command({
  name: 'remote gpg-import',
  summary: 'Import GPG keys',
  usage: 'NAME [KEY-ID...]',
  repo: true,
  options: {
    keyring: {
      type: 'strings',
      short: 'k',
      arg: 'FILE',
      help: 'Import keys from a keyring file (repeatable)',
    },
    stdin: { type: 'flag', help: 'Import keys from standard input' },
  },
  async run({ options, args: [name], repo, usageError }) {
    await repo()
    if (name === undefined) throw usageError('NAME must be specified')
    if (options.stdin && options.keyring.length > 0) throw usageError('--keyring and --stdin are mutually exclusive')
    throw new UnsupportedError('gpg-import', 'Importing GPG keys is not supported')
  },
})

export const gpgListKeys = command({
  name: 'remote gpg-list-keys',
  summary: 'Show remote GPG keys',
  usage: 'NAME',
  repo: true,
  options: {},
  async run({ args: [name], repo }) {
    const opened = await repo()
    if (name !== undefined) {
      await findRemote(opened, name)
      if ((await requireRepoFiles(opened, 'A keyring').read(`${name}.trustedkeys.gpg`)) === undefined) return
    }
    throw new UnsupportedError('gpg-list-keys', 'Listing GPG keys is not supported')
  },
})
