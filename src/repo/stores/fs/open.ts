/** Opens and creates repository directories. Source: ostree-repo.c, ostree_repo_open, ostree_repo_create_at. */

import { closeSync, existsSync, mkdirSync, opendirSync, openSync, statSync } from 'node:fs'
import { resolve } from 'node:path'
import { encodeUtf8 } from '../../../bytes.ts'
import { IoError, withContext } from '../../../errors.ts'
import type { Platform } from '../../../platform/index.ts'
import { unless, withIo } from '../../../system/errno.ts'
import { CREATE_FLAGS, randomName, removeFile, replaceFile } from '../../../system/file-io.ts'
import { loadNative, type Native, type NativeSource, requireNative } from '../../../system/native.ts'
import type { Threads } from '../../../system/threads/thread.ts'
import { initialConfig } from '../../core/config.ts'
import type { RepoMode, Storage } from '../../core/interface.ts'
import { OSTREE_META } from './content/mode-bare-user.ts'
import { FsStorage } from './storage.ts'
import { defaultObjectThreads } from './threads/object-threads.ts'
import { defaultWriters } from './threads/write-behind.ts'

const DIRECTORY_MODE = 0o775
const DIRECTORIES = ['tmp', 'extensions', 'state', 'refs', 'refs/heads', 'refs/mirrors', 'refs/remotes', 'objects']
const SYSTEM_REPO = '/ostree/repo'
/** Relative to the root of a system. */
const REMOTES = 'etc/ostree/remotes.d'
/** Errors of creating `tmp` that are ignored: a repository that cannot be written can still be read. */
const NOT_WRITABLE = ['EROFS', 'EACCES', 'EPERM']

/** What the command `ostree` lets its environment decide about a repository directory. */
export interface RepoDirectoryOptions {
  /** Names this boot in `tmp/staging-BOOTID-XXXXXX`. Default: the content of `/proc/sys/kernel/random/boot_id`. */
  readonly bootId?: string | undefined
  /** Whether opening creates `tmp/cache` where it is missing. Default true. */
  readonly makeCache?: boolean | undefined
  /**
   * Called by each transaction when all objects are staged and none is visible yet. What it throws fails the transaction
   * and leaves the staged objects for a later one, as if the process had ended there.
   */
  readonly beforePublish?: (() => void) | undefined
  /**
   * Whether files are written in mode bare-split-xattrs, which is read-only otherwise. As in libostree, that is an
   * experiment: only content is stored, so that fsck reports each file as missing. Default false.
   */
  readonly writeSplitXattrs?: boolean | undefined
  /**
   * Root of the system that the repository belongs to, when it is not the running one: the files of its
   * `etc/ostree/remotes.d` configure more remotes. New remotes go into `config` all the same. Parent repositories do not
   * get this option. Default: none.
   */
  readonly sysroot?: string | undefined
}

export interface OpenFsStorageOptions extends RepoDirectoryOptions {
  readonly platform: Platform
  /** System calls that Node does not offer; `null` does without. Default: what `loadNative` finds when first needed. */
  readonly native?: Native | null | undefined
  /** Threads that write small files of large transactions; `null` for none. Default: `defaultWriters`. */
  readonly writers?: Threads | null | undefined
  /** Threads that process long lists of objects (`FastPaths.workAhead`); `null` for none. Default: `defaultObjectThreads`. */
  readonly objectThreads?: Threads | null | undefined
  /** Directory that configures more remotes, one file each. Default: `etc/ostree/remotes.d` of the system, if any. */
  readonly remotesDirectory?: string | undefined
}

export interface InitFsStorageOptions extends OpenFsStorageOptions {
  /** Default `bare`. */
  readonly mode?: RepoMode | undefined
  readonly collectionId?: string | undefined
}

/** Opens a repository directory. @throws {IoError}, {FormatError}, {UnsupportedError} `opening repo: …` */
export async function openFsStorage(path: string, options: OpenFsStorageOptions): Promise<Storage> {
  try {
    requireDirectory(path, path)
    const root = resolve(path)
    requireDirectory(`${root}/objects`, 'objects')
    const { platform, bootId, makeCache = true, beforePublish, writeSplitXattrs = false, sysroot } = options
    ensureTmp(root, makeCache)
    const own = options.remotesDirectory ?? (isSystemRepo(root) ? `/${REMOTES}` : undefined)
    return new FsStorage({
      path: root,
      platform,
      native: nativeOf(options),
      writers: threadsOf(options, options.writers, defaultWriters),
      objectThreads: threadsOf(options, options.objectThreads, defaultObjectThreads),
      lanes: platform.name === 'node' && options.native === undefined,
      remotesDirectory: own ?? (sysroot === undefined ? undefined : resolve(sysroot, REMOTES)),
      addsRemoteFiles: own !== undefined,
      bootId,
      beforePublish,
      writeSplitXattrs,
    })
  } catch (error) {
    throw withContext('opening repo', error)
  }
}

/**
 * Creates a repository directory and opens it. If `objects/` exists nothing is created, and the mode stays what it is.
 * @throws {IoError}, {UnsupportedError} `Creating repo: …`; and as `openFsStorage`
 */
export async function initFsStorage(path: string, options: InitFsStorageOptions): Promise<Storage> {
  const { mode = 'bare', collectionId } = options
  try {
    const root = resolve(path)
    const objects = withIo(`${root}/objects`, () => statSync(`${root}/objects`, { throwIfNoEntry: false }))
    // ostree passes a null pointer for the empty path.
    if (path === '') throw new IoError('mkdirat: Bad address', 'EFAULT', path)
    if (objects === undefined) {
      unless(['EEXIST'], undefined, () => mkdirSync(path, DIRECTORY_MODE))
      requireDirectory(root, root)
      if (mode === 'bare-user') requireUserXattrs(root, nativeOf(options))
      if (!existsSync(`${root}/config`)) {
        replaceFile(`${root}/config`, encodeUtf8(initialConfig(mode, collectionId)), { tmp: root, shown: 'config' })
      }
      for (const name of DIRECTORIES) {
        unless(['EEXIST'], name, () => mkdirSync(`${root}/${name}`, DIRECTORY_MODE))
      }
    }
  } catch (error) {
    throw withContext('Creating repo', error)
  }
  return openFsStorage(path, options)
}

/** Returns no threads if platform or native calls are not the usual ones: a thread always loads the usual ones. */
function threadsOf<T extends unknown[]>(
  { platform, native }: OpenFsStorageOptions,
  wanted: Threads | null | undefined,
  usual: (...args: T) => Threads | undefined,
): (...args: T) => Threads | undefined {
  if (platform.name !== 'node' || native !== undefined || wanted === null) return () => undefined
  return wanted === undefined ? usual : () => wanted
}

/** Whether the directory is `/ostree/repo`, by its inode: the repository that the running system was deployed from. */
function isSystemRepo(root: string): boolean {
  const system = unless(['ENOENT', 'ENOTDIR', 'EACCES'], SYSTEM_REPO, () => statSync(SYSTEM_REPO))
  if (system === undefined) return false
  const own = statSync(root)
  return own.dev === system.dev && own.ino === system.ino
}

function nativeOf({ native }: OpenFsStorageOptions): NativeSource {
  return native === undefined ? loadNative : () => native ?? undefined
}

function requireDirectory(path: string, shown: string): void {
  withIo(shown, () => opendirSync(path).closeSync())
}

function ensureTmp(root: string, makeCache: boolean): void {
  const cache = `${root}/tmp/cache`
  if (existsSync(cache)) return
  const make = (directory: string) =>
    unless(['EEXIST', ...NOT_WRITABLE], directory, () => mkdirSync(`${root}/${directory}`, DIRECTORY_MODE))
  make('tmp')
  requireDirectory(`${root}/tmp`, 'tmp')
  if (makeCache) make('tmp/cache')
}

/** Writes a `user.` xattr to a probe file, so that a file system without them is refused before the first commit. */
function requireUserXattrs(root: string, native: NativeSource): void {
  const provider = requireNative('Mode bare-user', native)
  const probe = `${root}/tmp.${randomName()}`
  const fd = withIo(undefined, () => openSync(probe, CREATE_FLAGS, 0o600))
  try {
    provider.setXattrOf(fd, OSTREE_META, new Uint8Array(12))
  } finally {
    closeSync(fd)
    removeFile(probe, probe)
  }
}
