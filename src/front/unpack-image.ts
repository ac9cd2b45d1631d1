/** Unpacks an image into a directory, a tar stream or memory, in one call. */

import type {
  ImageFiles,
  ImageIdentity,
  OstreeImageReference,
  UnpackLimits,
  UnpackOptions,
} from '../container/index.ts'
import { unpackToMemory } from '../container/index.ts'
import { rootTar, unpackTo } from '../container/internal.ts'
import { Destination } from './destination.ts'
import { DirectoryWriter, type NotMade } from './directory-writer.ts'
import { type HostOptions, resolveHost } from './host.ts'
import { SpoolFile } from './spool-file.ts'

/** How an image is unpacked. Everything has a default. */
export interface UnpackImageOptions
  extends HostOptions,
    Pick<UnpackOptions, 'signal' | 'onProgress' | 'readAhead' | 'limits'> {
  /** Replace a directory that is not empty, as a whole and only when the image is complete. Default: it is an error. */
  readonly overwrite?: boolean | undefined
  /**
   * Leave all owners as they are for the process, and note them in the attribute `user.rootlesscontainers`, and make empty
   * files in place of devices. Default: unless the process is root.
   */
  readonly rootless?: boolean | undefined
}

/** The image that was unpacked into a directory. */
export interface UnpackedImage extends ImageIdentity {
  /** Entries of all layers. */
  readonly entries: number
  /** What the process or the file system could not make as it is in the image. */
  readonly notMade: Readonly<NotMade>
}

export type { NotMade, UnpackLimits }

/**
 * Unpacks an image: `/etc`, `/var`, `/opt` and everything else are where the image has them. No repository is needed, and
 * none is written. The result is that of `umoci unpack`, as root and as any other user (`--rootless`).
 *
 * Nothing outside of `target` is written, whatever the layers say. On failure a directory that existed is as it was.
 *
 * @example
 * await unpackImage('docker://quay.io/exampleos/os:1', 'rootfs')
 * const files = await unpackImage('oci:layout:tag', { as: 'memory' })
 * for await (const chunk of unpackImage('oci:layout:tag', { as: 'tar' })) send(chunk)
 * @param reference any reference that the command takes: `docker://…`, `oci:…`, `ostree-image-signed:docker://…`
 * @param target a directory that does not exist or is empty; or `{ as: 'memory' }` or `{ as: 'tar' }`
 * @throws {ConflictError} when the directory is not empty, unless `overwrite` is set
 * @throws {InvalidNameError} on a malformed reference; {NotFoundError} when there is no such image
 * @throws {RegistryError} when the registry cannot be reached, or refuses
 * @throws {DeniedError} when the policy of the host rejects the image
 * @throws {DigestMismatchError}, {TarFormatError}, {FormatError}, {InvalidNameError} or {LimitError} when the image is
 *   malformed; the message begins with the layer
 * @throws {IoError} when the directory cannot be written
 */
export function unpackImage(
  reference: string | OstreeImageReference,
  target: string,
  options?: UnpackImageOptions,
): Promise<UnpackedImage>
export function unpackImage(
  reference: string | OstreeImageReference,
  target: { readonly as: 'memory' },
  options?: UnpackImageOptions,
): Promise<ImageFiles>
export function unpackImage(
  reference: string | OstreeImageReference,
  target: { readonly as: 'tar' },
  options?: UnpackImageOptions,
): AsyncGenerator<Uint8Array, void, undefined>
export function unpackImage(
  reference: string | OstreeImageReference,
  target: string | { readonly as: 'memory' | 'tar' },
  options: UnpackImageOptions = {},
): Promise<UnpackedImage | ImageFiles> | AsyncGenerator<Uint8Array, void, undefined> {
  if (typeof target === 'string') return intoDirectory(reference, target, options)
  return target.as === 'tar' ? asTar(reference, options) : inMemory(reference, options)
}

async function inMemory(reference: string | OstreeImageReference, options: UnpackImageOptions): Promise<ImageFiles> {
  return unpackToMemory(reference, { ...options, ...(await resolveHost(options)) })
}

/** Keeps the content of files in a temporary file without a name, since a tar needs a directory before its content. */
async function* asTar(
  reference: string | OstreeImageReference,
  options: UnpackImageOptions,
): AsyncGenerator<Uint8Array, void, undefined> {
  const spool = new SpoolFile()
  try {
    const { root } = await unpackTo(reference, spool, { ...options, ...(await resolveHost(options)) })
    yield* rootTar(root, spool, options.signal)
  } finally {
    spool.close()
  }
}

async function intoDirectory(
  reference: string | OstreeImageReference,
  target: string,
  options: UnpackImageOptions,
): Promise<UnpackedImage> {
  const { overwrite = false, rootless = process.geteuid?.() !== 0 } = options
  const place = Destination.find(target, overwrite)
  const host = await resolveHost(options)
  const into = await Destination.open(place)
  try {
    const writer = new DirectoryWriter(into.path, rootless)
    try {
      const unpacked = await unpackTo(reference, writer, { ...options, ...host })
      const { root, ...image } = unpacked
      writer.finish(root)
      await into.commit()
      return { ...image, notMade: writer.notMade }
    } finally {
      writer.close()
    }
  } finally {
    into.close()
  }
}
