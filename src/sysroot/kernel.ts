/**
 * Finds the kernel of a tree and the files it is booted with.
 *
 * ```
 * usr/lib/modules/VERSION/vmlinuz          => boot/ostree/NAME-CHECKSUM/vmlinuz-VERSION
 *                        /initramfs.img                                /initramfs-VERSION.img
 *                        /devicetree                                   /devicetree-VERSION
 *                        /.vmlinuz.hmac                                /.vmlinuz-VERSION.hmac
 * ```
 *
 * CHECKSUM is SHA-256 of the contents of kernel, initramfs and device tree, concatenated.
 *
 * Source: ostree-sysroot-deploy.c (get_kernel_from_tree_usrlib_modules, install_deployment_kernel).
 */

import { createHash } from 'node:crypto'
import { closeSync, openSync, readdirSync, readSync } from 'node:fs'
import { join } from 'node:path'
import { type Checksum, compareUtf8 } from '../bytes.ts'
import { FormatError, NotFoundError, UnsupportedError } from '../errors.ts'
import { within } from './files.ts'

const MODULES = 'usr/lib/modules'
const CHUNK = 1 << 20

/** A file that is installed for the boot loader. */
export interface BootFile {
  /** Path in the deployment. */
  readonly path: string
  /** File name in the directory of the boot loader. */
  readonly name: string
}

/** Result of `findKernel`. */
export interface Kernel {
  readonly checksum: Checksum
  readonly kernel: BootFile
  readonly initramfs: BootFile | undefined
  readonly devicetree: BootFile | undefined
  readonly hmac: BootFile | undefined
}

/**
 * Finds the kernel in `/usr/lib/modules` of a tree.
 * @throws {NotFoundError} when there is none
 * @throws {FormatError} when there are several, or the version has white space
 * @throws {UnsupportedError} when there is a directory of several device trees
 */
export function findKernel(tree: string): Kernel {
  const versions = directoriesIn(tree, MODULES).filter(
    (version) => within(tree, join(MODULES, version, 'vmlinuz'), 'file') !== undefined,
  )
  const [version, ...others] = versions
  if (version === undefined) {
    throw new NotFoundError('vmlinuz', `Failed to find kernel in /${MODULES}, /usr/lib/ostree-boot or /boot`)
  }
  // The version is written into a boot loader entry, where white space separates fields.
  if (/[\s\0]/.test(version)) throw new FormatError(MODULES, `Invalid kernel version '${version}'`)
  if (others.length > 0) throw new FormatError(MODULES, `Multiple kernels found in /${MODULES}`)
  const folder = join(MODULES, version)
  if (directoriesIn(tree, folder).includes('dtb')) {
    throw new UnsupportedError('dtb', `Several device trees (/${MODULES}/${version}/dtb) are not supported`)
  }
  const found = (file: string, name: string): BootFile | undefined => {
    const path = within(tree, join(folder, file), 'file')
    return path === undefined ? undefined : { path, name }
  }
  const kernel = found('vmlinuz', `vmlinuz-${version}`) as BootFile // versions without a vmlinuz were filtered out above
  const initramfs = found('initramfs.img', `initramfs-${version}.img`)
  const devicetree = found('devicetree', `devicetree-${version}`)
  const hmac = found('.vmlinuz.hmac', `.vmlinuz-${version}.hmac`)
  const parts = [kernel, initramfs, devicetree].flatMap((file) => file?.path ?? [])
  return { checksum: checksumOf(parts), kernel, initramfs, devicetree, hmac }
}

function directoriesIn(tree: string, path: string): string[] {
  const folder = within(tree, path, 'directory')
  if (folder === undefined) return []
  const entries = readdirSync(folder, { withFileTypes: true })
  return entries.flatMap((entry) => (entry.isDirectory() ? entry.name : [])).sort(compareUtf8)
}

function checksumOf(paths: readonly string[]): Checksum {
  const hash = createHash('sha256')
  const buffer = new Uint8Array(CHUNK)
  for (const path of paths) {
    const fd = openSync(path, 'r')
    try {
      for (let length = readSync(fd, buffer); length > 0; length = readSync(fd, buffer)) {
        hash.update(buffer.subarray(0, length))
      }
    } finally {
      closeSync(fd)
    }
  }
  return hash.digest('hex') as Checksum // 64 lower-case hex digits
}
