/** `ostree create-usb`. Source: ot-builtin-create-usb.c. */

import { statSync } from 'node:fs'
import { hasEscapedBytes } from '../../bytes.ts'
import { IoError, UsageError } from '../../errors.ts'
import { parseChecksum, validateCollectionId } from '../../objects/index.ts'
import { validateRefName, type WantedCollectionRef } from '../../repo/index.ts'
import { createUsb, USB_REPO } from '../../repo/local.ts'
import { directoryPath, fsPath } from '../../system/raw-path.ts'
import { command } from '../command.ts'
import { environmentOptions } from '../local-repo.ts'
import { NOT_UTF8 } from '../options.ts'
import { withCounter } from '../text/object-counter.ts'
import { fileError } from '../values.ts'

export const createUsbCommand = command({
  name: 'create-usb',
  summary: 'Copy the refs to a USB stick',
  usage: 'MOUNT-PATH COLLECTION-ID REF [COLLECTION-ID REF...]',
  repo: true,
  rawArgs: true,
  long: true,
  options: {
    'disable-fsync': { type: 'flag', help: 'Do not invoke fsync()' },
    'destination-repo': {
      type: 'string',
      raw: true,
      arg: 'DEST',
      help: 'Use custom repository directory within the mount',
    },
    commit: {
      type: 'string',
      arg: 'COMMIT',
      help: 'Pull a specific commit (only works when a single ref is specified)',
    },
  },
  async run({ options, args: [mount, ...pairs], out, err, signal, repo: openSource, usageError }) {
    const from = await openSource()
    if (mount === undefined) throw usageError('A MOUNT-PATH must be specified')
    if (pairs.length < 2) throw usageError('At least one COLLECTION-ID REF pair must be specified')
    if (pairs.length % 2 === 1) throw usageError('Only complete COLLECTION-ID REF pairs may be specified')
    const { commit, 'destination-repo': destination = USB_REPO } = options
    if (commit !== undefined && pairs.length > 2) {
      throw usageError('The --commit option can only be used when a single COLLECTION-ID REF pair is specified')
    }
    if (hasEscapedBytes(destination)) throw new UsageError(NOT_UTF8, '--destination-repo')
    requireDirectory(mount)
    if (destination === '') throw new IoError('mkdir(): No such file or directory', 'ENOENT', destination)
    const refs: WantedCollectionRef[] = []
    for (let i = 0; i < pairs.length; i += 2) {
      const [collection = '', name = ''] = pairs.slice(i)
      validateCollectionId(collection)
      requireText(name)
      validateRefName(name)
      refs.push({ collection, name, commit: commit === undefined ? undefined : parseChecksum(commit) })
    }
    try {
      const opening = environmentOptions()
      const fsync = options['disable-fsync'] ? false : undefined
      await withCounter(err, 'Copying', false, (onProgress) =>
        createUsb(from, directoryPath(mount), refs, { destination, fsync, opening, signal, onProgress }),
      )
    } catch (error) {
      // An invalid `--destination-repo` or MOUNT-PATH: ostree prints the help before this error.
      throw error instanceof UsageError ? usageError(error.message) : error
    }
    const n = refs.length
    const source = from.storage.location
    out.line(`Copied ${n}/${n} refs successfully from ‘${source}’ to ‘${destination}’ repository in ‘${mount}’.`)
  },
})

/** @throws {UsageError} when the name of a ref has bytes that are not UTF-8 */
function requireText(name: string): void {
  if (hasEscapedBytes(name)) throw new UsageError('Invalid ref name: not valid UTF-8')
}

function requireDirectory(path: string): void {
  try {
    statSync(fsPath(`${path}/`))
  } catch (error) {
    throw fileError(error, path, (reason) => `opendir(${path}): ${reason}`)
  }
}
