/** `ostree remote add`. Source: ot-remote-builtin-add.c. */

import { UnsupportedError, UsageError } from '../../../errors.ts'
import { addRemote, importGpgKeys, type RemoteOption } from '../../../repo/index.ts'
import { command } from '../../command.ts'
import type { OptionTable, OptionValues } from '../../options.ts'
import { importedText, readKeyFile } from './key-file.ts'
import { REPO_OR_SYSROOT, SIGNATURE_TYPES } from './options.ts'

const OPTIONS = {
  set: { type: 'strings', arg: 'KEY=VALUE', help: 'Set config option KEY=VALUE for remote' },
  'no-gpg-verify': { type: 'flag', help: 'Disable GPG verification' },
  'no-sign-verify': { type: 'flag', help: 'Disable signature verification' },
  'sign-verify': {
    type: 'strings',
    arg: 'KEYTYPE=[inline|file]:PUBKEY',
    help: 'Verify signatures using KEYTYPE=inline:PUBKEY or KEYTYPE=file:/path/to/key',
  },
  'if-not-exists': { type: 'flag', help: 'Do nothing if the provided remote exists' },
  force: { type: 'flag', help: 'Replace the provided remote if it exists' },
  'gpg-import': { type: 'string', raw: true, arg: 'FILE', help: 'Import GPG key from FILE' },
  'custom-backend': { type: 'string', arg: 'NAME', help: 'This remote has content not fetched via libostree' },
  contenturl: { type: 'string', arg: 'URL', help: 'Use URL when fetching content' },
  'collection-id': {
    type: 'string',
    arg: 'COLLECTION-ID',
    help: 'Globally unique ID for this repository as an collection of refs for redistribution to other repositories',
  },
  ...REPO_OR_SYSROOT,
} as const satisfies OptionTable

export const add = command({
  name: 'remote add',
  summary: 'Add a remote repository',
  usage: 'NAME [metalink=|mirrorlist=]URL [BRANCH...]',
  repo: false,
  rawArgs: true,
  options: OPTIONS,
  async run({ options, args: [name, url, ...branches], repo: openRepo, out, usageError }) {
    const repo = await openRepo()
    const custom = options['custom-backend'] !== undefined
    if (name === undefined) throw usageError(custom ? 'NAME must be specified' : 'NAME and URL must be specified')
    if (url === undefined && !custom) throw usageError('NAME and URL must be specified')
    const keep = options['if-not-exists']
    if (keep && options.force) throw usageError('Can only specify one of --if-not-exists and --force')
    const remote = { name, url, options: remoteOptions(options, branches) }
    await addRemote(repo, remote, keep ? 'keep' : options.force ? 'replace' : 'refuse')
    const keys = options['gpg-import']
    if (keys !== undefined) out.line(importedText(name, await importGpgKeys(repo, name, [readKeyFile(keys)])))
  },
})

/** Returns the settings of the remote, in the order ostree writes them. @throws {UsageError} when one is malformed */
function remoteOptions(options: OptionValues<typeof OPTIONS>, branches: readonly string[]): RemoteOption[] {
  const given: RemoteOption[] = branches.length === 0 ? [] : [['branches', branches]]
  const addString = (key: string, value: string | undefined): void => {
    if (value !== undefined) given.push([key, value])
  }
  addString('contenturl', options.contenturl)
  addString('custom-backend', options['custom-backend'])
  for (const text of options.set) {
    const at = text.indexOf('=')
    if (at < 0) throw new UsageError("Missing '=' in KEY=VALUE for --set", '--set')
    addString(text.slice(0, at), text.slice(at + 1))
  }
  const unsigned = options['no-sign-verify']
  if (options['no-gpg-verify'] || unsigned) given.push(['gpg-verify', false])
  const keys = options['sign-verify']
  if (unsigned) {
    if (keys.length > 0) throw new UsageError('Cannot specify both --sign-verify and --no-sign-verify')
    given.push(['sign-verify', false])
  }
  const types: string[] = []
  for (const text of keys) {
    const at = text.indexOf('=')
    const type = at < 0 ? text : text.slice(0, at)
    if (at < 0) throw new UsageError(`Failed to parse KEYTYPE=[inline|file]:DATA in ${text}`)
    if (!SIGNATURE_TYPES.includes(type)) {
      throw new UnsupportedError(type, 'Requested signature type is not implemented')
    }
    const reference = text.slice(at + 1)
    const [, kind, key] = /^(inline|file):(.*)$/s.exec(reference) ?? []
    if (kind === undefined) {
      throw new UsageError(`Invalid key reference ${reference.split(':', 1)[0]}, expected inline|file`)
    }
    addString(`verification-${type}-${kind === 'inline' ? 'key' : 'file'}`, key)
    types.push(type)
  }
  if (types.length > 0) addString('sign-verify', types.join(','))
  addString('collection-id', options['collection-id'])
  return given
}
