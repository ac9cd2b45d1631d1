/**
 * `ostree remote gpg-import`, from files and standard input, and `gpg-list-keys`. Source:
 * ot-remote-builtin-gpg-*.c.
 */

import { UnsupportedError, withContext } from '../../../errors.ts'
import { findRemote, importGpgKeys, type Repo } from '../../../repo/index.ts'
import { requireRepoFiles } from '../../../repo/internal.ts'
import { describeKeys } from '../../../sign/index.ts'
import { command } from '../../command.ts'
import { readBytes } from '../../values.ts'
import { importedText, readKeyFile } from './key-file.ts'

export const gpgImport = command({
  name: 'remote gpg-import',
  summary: 'Import GPG keys',
  usage: 'NAME [KEY-ID...]',
  repo: true,
  rawArgs: true,
  options: {
    keyring: {
      type: 'strings',
      raw: true,
      short: 'k',
      arg: 'FILE',
      help: 'Import keys from a keyring file (repeatable)',
    },
    stdin: { type: 'flag', help: 'Import keys from standard input' },
  },
  async run({ options, args: [name, ...keyIds], repo, out, usageError }) {
    const opened = await repo()
    if (name === undefined) throw usageError('NAME must be specified')
    if (options.stdin && options.keyring.length > 0) throw usageError('--keyring and --stdin are mutually exclusive')
    if (!options.stdin && options.keyring.length === 0) {
      await requireRemote(opened, name)
      throw new UnsupportedError(
        'gpg-import',
        "Importing from the user's keyring is not supported: use --keyring or --stdin",
      )
    }
    const rings = options.stdin ? [readBytes(0, (reason) => `Error reading standard input: ${reason}`)] : []
    for (const path of options.keyring) rings.push(readKeyFile(path))
    out.line(importedText(name, await importGpgKeys(opened, name, rings, { keyIds })))
  },
})

/** @throws {NotFoundError} `GPG: Remote "…" not found` */
async function requireRemote(repo: Repo, name: string): Promise<void> {
  try {
    await findRemote(repo, name)
  } catch (error) {
    throw withContext('GPG', error)
  }
}

export const gpgListKeys = command({
  name: 'remote gpg-list-keys',
  summary: 'Show remote GPG keys',
  usage: 'NAME',
  repo: true,
  rawArgs: true,
  options: {},
  async run({ args: [name], out, repo }) {
    const opened = await repo()
    const { hostVerification } = await import('../../verification.ts')
    const { keys, now, formatTime } = hostVerification()
    let rings: Uint8Array[] = []
    if (name === undefined) {
      rings = [...((await keys?.system()) ?? [])]
    } else {
      await findRemote(opened, name)
      const own = await requireRepoFiles(opened, 'A keyring').read(`${name}.trustedkeys.gpg`)
      if (own !== undefined) rings.push(own)
    }
    if (rings.length > 0) out.write(await describeKeys(rings, now(), formatTime))
  },
})
