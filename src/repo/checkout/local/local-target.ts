/** Creates targets that write a checkout to the local file system. */

import { lstatSync, statSync } from 'node:fs'
import { basename, dirname } from 'node:path'
import { IoError } from '../../../errors.ts'
import { errnoText, withIo } from '../../../system/errno.ts'
import { loadNative, type Native } from '../../../system/native.ts'
import { type LinkCalls, loadLinkCalls } from '../../../system/native-link.ts'
import { OpenDirectory, type OpenDirectoryOptions } from '../../../system/open-directory.ts'
import { fsPath } from '../../../system/raw-path.ts'
import type { Threads } from '../../../system/threads/thread.ts'
import type { CheckoutTarget } from '../target.ts'
import { LinkSource } from './link-source.ts'
import { LocalTargetDirectory } from './local-directory.ts'
import { defaultCheckoutThreads, LocalCheckoutThreads } from './threads.ts'

/** Parts of the machine that a target uses. Each can be replaced or switched off, for tests. */
export interface LocalTargetOptions extends OpenDirectoryOptions {
  /**
   * Native calls for extended attributes; `null` for none, so that xattrs cannot be set. Default: koffi, if installed.
   */
  readonly native?: Native | null | undefined
  /**
   * Native calls for links; `null` for none, so that whiteout devices cannot be created. Default: koffi, if installed.
   */
  readonly linkCalls?: LinkCalls | null | undefined
  /** Threads that create files when there are many; `null` for none. Default: `defaultCheckoutThreads`. */
  readonly threads?: Threads | null | undefined
}

/**
 * Returns a target for `checkout` that writes to the local file system. Nothing is created or opened until the checkout
 * begins.
 *
 * @example
 * await checkout(repo, await repo.resolve('main'), createCheckoutTarget('rootfs'), { mode: 'user' })
 * @param path directory to create or to add to. Symlinks in the path are followed
 */
export function createCheckoutTarget(path: string): CheckoutTarget {
  return createLocalTarget(path)
}

/** Returns a target like `createCheckoutTarget`, with some of its parts replaced. */
export function createLocalTarget(path: string, options: LocalTargetOptions = {}): CheckoutTarget {
  const linkCalls = options.linkCalls === undefined ? loadLinkCalls() : (options.linkCalls ?? undefined)
  const native = options.native === undefined ? loadNative : () => options.native ?? undefined
  const source = new LinkSource(linkCalls)
  return {
    name: basename(path),
    open() {
      const now = Math.floor(Date.now() / 1000)
      return new LocalTargetDirectory(
        openParent(path, options),
        { native, source, now, shown: path, byPath: options.byPath },
        undefined,
      )
    },
    deviceOf: (place) => withIo(place, () => statSync(place, { throwIfNoEntry: false }))?.dev,
    statPlace: (place) => source.stat(place),
    identify({ folder, path: relative }) {
      const file = `${folder}/${relative}`
      const { dev, ino } = withIo(file, () => lstatSync(file, { bigint: true }))
      return `${dev}:${ino}`
    },
    threads(storage, how, checkoutOptions) {
      const threads = threadsOf(options)
      const now = Math.floor(Date.now() / 1000)
      return threads && LocalCheckoutThreads.of(threads, storage, how, checkoutOptions, now)
    },
  }
}

/**
 * Returns the threads to use. `undefined` when native calls are replaced, since threads load their own, or when
 * directories are not accessed by descriptor, which is all that threads get.
 */
function threadsOf({ native, linkCalls, byPath, threads }: LocalTargetOptions): Threads | undefined {
  if (threads === null || native !== undefined || linkCalls !== undefined) return undefined
  if (byPath || !OpenDirectory.byDescriptor) return undefined
  return threads ?? defaultCheckoutThreads()
}

/** Opens the parent of the destination. @throws {IoError} `mkdirat: …`, as libostree fails only when it creates it */
function openParent(path: string, options: OpenDirectoryOptions): OpenDirectory {
  try {
    if (path === '') throw new IoError('mkdirat: No such file or directory', 'ENOENT', path)
    return OpenDirectory.at(fsPath(dirname(path)), undefined, options)
  } catch (error) {
    if (!(error instanceof IoError)) throw error
    const { errno } = error.data
    throw new IoError(`mkdirat: ${errnoText(errno)}`, errno, path, { cause: error })
  }
}
