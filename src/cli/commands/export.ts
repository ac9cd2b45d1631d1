/** `ostree export`. Source: ot-builtin-export.c. */

import { closeSync, openSync } from 'node:fs'
import { hasEscapedBytes } from '../../bytes.ts'
import { IoError, UsageError } from '../../errors.ts'
import { exportTar } from '../../repo/index.ts'
import { fsPath } from '../../system/raw-path.ts'
import { END_OF_ARCHIVE } from '../../tar/index.ts'
import { command } from '../command.ts'
import { imageRevision } from '../image-revision.ts'
import { withCounter } from '../text/object-counter.ts'
import { Output } from '../text/output.ts'

/** Bytes of a tar record. Standard output is padded to whole records and a file is not, as by libarchive. */
const RECORD = 20 * 512

export const exportCommand = command({
  name: 'export',
  summary: 'Stream COMMIT to stdout in tar format',
  usage: 'COMMIT',
  repo: true,
  rawArgs: true,
  long: true,
  options: {
    'no-xattrs': { type: 'flag', help: 'Skip output of extended attributes' },
    subpath: { type: 'string', raw: true, arg: 'PATH', help: 'Checkout sub-directory PATH' },
    prefix: { type: 'string', raw: true, arg: 'PATH', help: 'Add PATH as prefix to archive pathnames' },
    output: { type: 'string', raw: true, short: 'o', arg: 'PATH', help: 'Output to PATH ' },
  },
  async run({ options, args: [rev], out, err, signal, repo: openRepo, usageError }) {
    const repo = await openRepo()
    if (rev === undefined) throw usageError('A COMMIT argument is required')
    const { subpath, prefix, output } = options
    // As in ostree, an empty path is standard output.
    const fd = output === undefined || output === '' ? undefined : openOutput(output)
    const to = fd === undefined ? out : new Output(fd)
    const revision = await imageRevision(repo, rev)
    let length = 0
    const send = (bytes: Uint8Array): void => {
      to.write(bytes)
      length += bytes.length
    }
    try {
      // libarchive's text for names that it cannot decode.
      if (prefix !== undefined && hasEscapedBytes(prefix)) {
        throw new UsageError("Can't record entry in tar file without pathname", '--prefix')
      }
      await withCounter(err, 'Exporting', to.isTerminal, async (onProgress) => {
        for await (const bytes of exportTar(repo, revision, { subpath, prefix, signal, onProgress })) send(bytes)
      })
    } catch (error) {
      // On an error, ostree still writes the end of the archive.
      send(END_OF_ARCHIVE)
      throw error
    } finally {
      if (fd === undefined) send(new Uint8Array((RECORD - (length % RECORD)) % RECORD))
      to.flush()
      if (fd !== undefined) closeSync(fd)
    }
  },
})

function openOutput(path: string): number {
  try {
    return openSync(fsPath(path), 'w')
  } catch (error) {
    throw new IoError(`Failed to open '${path}'`, 'EIO', path, { cause: error })
  }
}
