/** Program of a thread that creates files of a checkout, for threads.ts. */

import type { Checksum } from '../../../bytes.ts'
import { isSymlink, S_IFMT, S_IFREG } from '../../../objects/index.ts'
import { nodePlatform } from '../../../platform/node.ts'
import { loadNative } from '../../../system/native.ts'
import { loadLinkCalls } from '../../../system/native-link.ts'
import { OpenDirectory } from '../../../system/open-directory.ts'
import { runProgram } from '../../../system/threads/thread-program.ts'
import { contentModeOf } from '../../stores/fs/content/content-modes.ts'
import { LooseObjects } from '../../stores/fs/loose/loose.ts'
import { LooseReader } from '../../stores/fs/loose/loose-reader.ts'
import { FileCopier } from '../copy.ts'
import { inodesTell, isNeverLinked, looseFile } from '../file.ts'
import { LinkSource } from './link-source.ts'
import { LocalTargetDirectory } from './local-directory.ts'
import type { CheckoutThreadData, FilesLeft, FilesToMake } from './threads.ts'

runProgram<CheckoutThreadData, FilesToMake, FilesLeft>(({ root, settings, how, options, now }) => {
  const reader = new LooseReader(contentModeOf(settings, nodePlatform, loadNative))
  const objects = new LooseObjects(root, settings.mode, reader, { requireWritable() {}, fsync: () => false })
  // The directories are new, so no file can exist.
  const copier = new FileCopier(
    { objects, platform: nodePlatform, mode: settings.mode, settings },
    { ...options, overwrite: 'none' },
  )
  const source = new LinkSource(loadLinkCalls())
  const context = { native: loadNative, source, now, shown: '' }

  function directoryOf(fd: number): LocalTargetDirectory {
    const at = OpenDirectory.adopt(fd)
    return new LocalTargetDirectory(at, context, at)
  }

  /**
   * Copies a file. Symlinks are left to the caller: after an error a symlink may exist without its metadata, so that a
   * second attempt would report a different error.
   */
  async function copy(directory: LocalTargetDirectory, name: string, checksum: Checksum): Promise<boolean> {
    const file = await objects.readFile(checksum)
    return !isSymlink(file.header) && (await copier.place(directory, name, checksum, file))
  }

  /** Links a file. @returns false when the caller has to create it */
  function link(directory: LocalTargetDirectory, name: string, checksum: Checksum): boolean {
    const from = looseFile(`${root}/objects`, checksum)
    const inode = inodesTell(settings.mode) ? source.stat(from) : inodeOfObject(checksum)
    if (inode === undefined || (inode.mode & S_IFMT) !== S_IFREG || isNeverLinked(inode, options)) return false
    return directory.hardLink(name, from) === 'linked'
  }

  function inodeOfObject(checksum: Checksum): { size: number; mode: number } {
    const { header, size } = objects.statFile(checksum)
    return { size, mode: header.mode }
  }

  const make = how === 'copy' ? copy : link

  async function makeAll({ directories, names, checksums }: FilesToMake): Promise<FilesLeft> {
    const left: number[] = []
    let directory: LocalTargetDirectory | undefined
    for (const [index, name] of names.entries()) {
      const fd = directories[index] as number
      if (directory?.fd !== fd) directory = directoryOf(fd)
      try {
        if (!(await make(directory, name, checksums[index] as Checksum))) left.push(index)
      } catch {
        // The caller tries again and reports the error. The rest of the batch is left too, as the checkout will fail.
        for (let at = index; at < names.length; at++) left.push(at)
        break
      }
    }
    // Closed after each batch, because the thread may end at any time, and its descriptors would stay open.
    source.close()
    return left
  }

  return async (request) => ({ reply: await makeAll(request) })
})
