/**
 * The bare modes: the content of each file is a file of its own, unchanged. They differ in how header and links are
 * stored, which is an `InodeForm`.
 *
 *   mode              regular file                      symbolic link
 *   bare              owner, mode, xattrs on the inode  a link, with owner and xattrs
 *   bare-user         all of them in user.ostreemeta    a file: target, NUL; user.ostreemeta
 *   bare-user-only    mode only                         a link
 *
 * Source: ostree-repo-commit.c, write_content_object; ostree-repo.c, repo_load_file_bare.
 */

import { closeSync, lstatSync, readlinkSync, type Stats, symlinkSync } from 'node:fs'
import { type Checksum, decodeUtf8, EMPTY_BYTES, SMALL_FILE } from '../../../../bytes.ts'
import { FormatError } from '../../../../errors.ts'
import { type FileHeader, type FileInfo, type FileObject, isSymlink, S_IFLNK } from '../../../../objects/index.ts'
import { ioError, withIo } from '../../../../system/errno.ts'
import { type OpenedFile, readHead, readRest, readWhole, streamFile, writeAll } from '../../../../system/file-io.ts'
import type { ContentMode, LooseBody } from './content-mode.ts'
import { discard, NewFiles } from './new-file.ts'

/** How one bare mode stores the header of a file on its inode. */
export interface InodeForm {
  /** Whether the file object of a symbolic link may be one in the file system. */
  readonly realLinks: boolean
  /** Returns the content of the regular file that stands for a symbolic link. Absent if links are written as links. */
  linkContent?(header: FileHeader): Uint8Array
  /** Returns the permission bits of a regular file's loose file. */
  permissions(header: FileHeader): number
  /** Sets owner, permissions and xattrs of a file whose content is written. */
  complete(fd: number, header: FileHeader, files: NewFiles): void
  /** Sets owner and xattrs of a symbolic link. Called only if links are written as links. */
  completeLink?(path: string, header: FileHeader): void
  /** Reads a header. @param target of a symbolic link, else ''. @param fd of a regular file, if it is open */
  headerOf(path: string, stat: Stats, target: string, fd?: number): FileHeader
}

const LINK_FILE_PERMISSIONS = 0o644

export class BareContent implements ContentMode {
  readonly suffix = 'file'
  readonly realLinks: boolean
  readonly #form: InodeForm
  readonly #files = new NewFiles()

  constructor(form: InodeForm) {
    this.#form = form
    this.realLinks = form.realLinks
  }

  begin(perObjectFsync: boolean): void {
    this.#files.begin(perObjectFsync)
  }

  stat(path: string, checksum: Checksum): FileInfo | undefined {
    const stat = withIo(path, () => lstatSync(path, { throwIfNoEntry: false }))
    if (stat === undefined) return undefined
    if (stat.isSymbolicLink()) return this.#link(path, stat)
    if (!stat.isFile()) throw new FormatError(`${checksum}.file`, `Not a regular file or symlink: ${path}`)
    const header = this.#form.headerOf(path, stat, '')
    if (!isSymlink(header)) return { header, size: stat.size }
    const content = stat.size <= SMALL_FILE ? readWhole(path) : undefined
    return fileLink(header, content, checksum)
  }

  read(path: string, checksum: Checksum): FileObject | undefined {
    const file = readHead(path, true, (opened) => this.#readOpened(path, opened, checksum))
    if (file !== 'link') return file
    const stat = withIo(path, () => lstatSync(path, { throwIfNoEntry: false }))
    return stat?.isSymbolicLink() ? { ...this.#link(path, stat), body: EMPTY_BYTES } : undefined
  }

  #readOpened(path: string, file: OpenedFile, checksum: Checksum): FileObject {
    const { size, stat, fd } = file
    // Copied before the header is read, since that may reuse the read buffer for another file.
    const content = size <= SMALL_FILE ? readRest(file, path) : undefined
    const header = this.#form.headerOf(path, stat as Stats, '', fd)
    if (isSymlink(header)) return { ...fileLink(header, content, checksum), body: EMPTY_BYTES }
    return { header, size, body: content ?? exactly(path, size, checksum) }
  }

  #link(path: string, stat: Stats): FileInfo {
    const bytes = withIo(path, () => readlinkSync(path, { encoding: 'buffer' }))
    return { header: this.#form.headerOf(path, stat, decodeTarget(bytes, path)), size: 0 }
  }

  create(path: string, header: FileHeader, body: Uint8Array): void {
    const form = this.#form
    if (!isSymlink(header)) {
      this.#files.create(path, form.permissions(header), body, (fd) => this.#complete(fd, header))
    } else if (form.linkContent === undefined) {
      withIo(undefined, () => symlinkSync(header.target, path))
      form.completeLink?.(path, header)
    } else {
      this.#files.create(path, LINK_FILE_PERMISSIONS, form.linkContent(header), (fd) => this.#complete(fd, header))
    }
  }

  #complete(fd: number, header: FileHeader): void {
    this.#form.complete(fd, header, this.#files)
    this.#files.setTimeZero(fd)
  }

  open(path: string, header: FileHeader): LooseBody {
    const fd = withIo(undefined, () => this.#files.open(path, this.#form.permissions(header)))
    let open = true
    const close = (end: () => void) => {
      if (open) end()
      open = false
    }
    return {
      write: (bytes) => withIo(undefined, () => writeAll(fd, bytes)),
      finish: () =>
        close(() => {
          try {
            this.#complete(fd, header)
            this.#files.flush(fd)
          } catch (error) {
            discard(fd, path)
            throw ioError(error)
          }
          closeSync(fd)
        }),
      abort: () => close(() => discard(fd, path)),
    }
  }
}

/** Decodes a symbolic link stored as a file. Old versions of ostree wrote no NUL. @param content absent if too large */
function fileLink(header: FileHeader, content: Uint8Array | undefined, checksum: Checksum): FileInfo {
  if (content === undefined) throw new FormatError(`${checksum}.file`, 'Symbolic link with a target that is too long')
  const nul = content.indexOf(0)
  const target = decodeTarget(nul < 0 ? content : content.subarray(0, nul), `${checksum}.file`)
  return { header: { ...header, target }, size: 0 }
}

function decodeTarget(bytes: Uint8Array, what: string): string {
  const target = decodeUtf8(bytes)
  if (target === undefined) throw new FormatError(what, `Invalid UTF-8 in symbolic link target of ${what}`)
  return target
}

/** Streams a file. @throws {FormatError} at the end, if it does not have `size` bytes */
async function* exactly(path: string, size: number, checksum: Checksum): AsyncGenerator<Uint8Array, void, undefined> {
  let length = 0
  for await (const chunk of streamFile(path, 0)) {
    length += chunk.length
    yield chunk
  }
  if (length !== size) {
    throw new FormatError(`${checksum}.file`, `Content of ${checksum} has ${length} bytes, expected ${size}`)
  }
}

/** `st_mode` of every symbolic link on Linux. */
export const LINK_MODE = S_IFLNK | 0o777
