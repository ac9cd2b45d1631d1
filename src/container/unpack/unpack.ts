/**
 * Unpacks images: gives the root file system that a container of the image starts with. Nothing is stored as OSTree
 * objects, and `/etc`, `/var`, `/opt` and `/srv` are where the image has them.
 */

import { LimitError, UnsupportedError } from '../../errors.ts'
import type { LocalFiles, Platform } from '../../platform/index.ts'
import type { ProgressOptions } from '../../progress.ts'
import type { FileTree } from '../../repo/index.ts'
import type { ImageLimits } from '../import/import-options.ts'
import type { ReadAheadOptions } from '../import/read-ahead.ts'
import type { Digest, HostPlatform, ImageConfiguration, ImageManifest } from '../oci/oci-types.ts'
import {
  formatOstreeImageReference,
  type ImageReference,
  type OstreeImageReference,
  parseAnyImageReference,
} from '../oci/reference.ts'
import { openImage } from '../open/open-image.ts'
import { type HostPolicy, requireAccepted, requireStrictDefault } from '../policy/policy-check.ts'
import type { RegistryOptions } from '../registry/options.ts'
import { MAX_LAYERS } from '../transport/interface.ts'
import { applyLayers } from './apply-layers.ts'
import { MAX_MEMORY_ROOT, MemoryRoot } from './memory-root.ts'
import { RootFiles } from './root-files.ts'
import { rootTar } from './root-tar.ts'
import { type Directory, RootTree, type RootWriter } from './root-tree.ts'

/** Default of `UnpackLimits.maxEntries`: 4 million entries of all layers. */
export const MAX_UNPACKED_ENTRIES: number = 4_000_000

/** Limits of unpacking, against malicious images. Each has a default. */
export interface UnpackLimits extends ImageLimits {
  /** Entries of all layers together. Default `MAX_UNPACKED_ENTRIES`. */
  readonly maxEntries?: number | undefined
  /** Bytes of content held in memory, for targets in memory. Default 2 GiB. */
  readonly maxMemory?: number | undefined
}

/** How an image is unpacked. */
export interface UnpackOptions extends ProgressOptions {
  /** Hashing and decompression. */
  readonly platform: Platform
  /** The platform whose manifest is chosen from an image index. */
  readonly host: HostPlatform
  /** Access to files, for the transports that read them. */
  readonly files?: LocalFiles | undefined
  /** How registries are reached. */
  readonly registry?: RegistryOptions | undefined
  /** The signature policy. Without it `ostree-image-signed:` references are refused, and other images accepted. */
  readonly policy?: HostPolicy | undefined
  readonly limits?: UnpackLimits | undefined
  /** How far layers are fetched before they are unpacked. */
  readonly readAhead?: ReadAheadOptions | undefined
}

/** The image that was unpacked. */
export interface ImageIdentity {
  /** `sha256:HEX` of the manifest. */
  readonly manifestDigest: Digest
  readonly manifest: ImageManifest
  readonly config: ImageConfiguration
}

/** The files of an image in memory. */
export interface ImageFiles extends FileTree, ImageIdentity {
  /** Returns them as a tar archive: a directory before its content, entries by name. */
  tar(options?: Pick<ProgressOptions, 'signal'>): AsyncGenerator<Uint8Array>
}

/**
 * Returns the image that a reference names, if the policy accepts it.
 * @throws {InvalidNameError} on a malformed reference
 * @throws {UnsupportedError} on an `ostree-remote-image:` reference, whose signature is that of a commit
 * @throws {DeniedError} when the policy rejects the image
 */
export async function acceptedReference(
  reference: string | OstreeImageReference,
  policy: HostPolicy | undefined,
): Promise<ImageReference> {
  const parsed = typeof reference === 'string' ? parseAnyImageReference(reference) : reference
  if (parsed.sigverify.kind === 'remote') {
    const name = formatOstreeImageReference(parsed)
    throw new UnsupportedError(
      'signature verification',
      `Cannot verify signatures of ${name} without a repository; pull the image and check it out`,
    )
  }
  requireStrictDefault(parsed, policy)
  await requireAccepted(parsed.imgref, policy)
  return parsed.imgref
}

/**
 * Applies an image to a writer.
 * @throws {InvalidNameError} on a malformed reference
 * @throws {UnsupportedError} on an `ostree-remote-image:` reference, whose signature is that of a commit
 * @throws {OstreeError} as `openImage` and `applyLayers`
 */
export async function unpackTo(
  reference: string | OstreeImageReference,
  writer: RootWriter,
  options: UnpackOptions,
): Promise<ImageIdentity & { readonly root: Directory; readonly entries: number }> {
  const { policy, limits = {}, signal, platform, host, files, registry } = options
  const imgref = await acceptedReference(reference, policy)
  const { maxLayers = MAX_LAYERS, maxLayerBytes, tar, maxEntries = MAX_UNPACKED_ENTRIES } = limits
  const context = { platform, host, files, registry, signal, maxLayers, maxLayerBytes }
  await using source = await openImage(imgref, context)
  const { manifest, manifestDigest } = source
  if (manifest.layers.length > maxLayers) throw new LimitError('number of layers', maxLayers)
  const config = await source.config()
  const tree = new RootTree(writer, maxEntries)
  await applyLayers(tree, source, config, { ...options, maxLayerBytes, tar })
  return { manifestDigest, manifest, config, root: tree.root, entries: tree.entries }
}

/**
 * Unpacks an image in memory.
 * @throws {LimitError} when its files have more than `limits.maxMemory` bytes; as `unpackTo`
 */
export async function unpackToMemory(
  reference: string | OstreeImageReference,
  options: UnpackOptions,
): Promise<ImageFiles> {
  const content = new MemoryRoot(options.limits?.maxMemory ?? MAX_MEMORY_ROOT)
  const { root, manifestDigest, manifest, config } = await unpackTo(reference, content, options)
  const tar: ImageFiles['tar'] = ({ signal } = {}) => rootTar(root, content, signal)
  return Object.assign(new RootFiles(root, content), { manifestDigest, manifest, config, tar })
}
