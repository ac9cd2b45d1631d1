/** Makes composefs images of commits. Source: ostree-repo-composefs.c. */

import { type Checksum, fromHex, toHex } from '../../bytes.ts'
import { dumpImage, type ImageLayout, layOut, VerityHasher, writeImage } from '../../composefs/index.ts'
import { ChecksumMismatchError, FormatError } from '../../errors.ts'
import { bytes, lookup, type Vardict, variantOf } from '../../gvariant/index.ts'
import { GHashOrder } from '../../gvariant/internal.ts'
import type { Platform } from '../../platform/index.ts'
import type { ObjectReader } from '../core/interface.ts'
import { readCommit } from '../core/read-metadata.ts'
import type { TreeRoot } from '../core/tree.ts'
import type { Repo } from '../repo.ts'
import { readNodes } from './nodes.ts'

/** Key of commit metadata: fs-verity digest of the composefs image with the digests of its files, `ay`. */
export const COMPOSEFS_KEY = 'ostree.composefs.digest.v0'

/** How to make an image. */
export interface ComposefsOptions {
  /**
   * Bind the content of every file to the image by its fs-verity digest. All content is read for that. Default true.
   */
  readonly verity?: boolean | undefined
  /** Aborting it makes the reading of the tree fail with the signal's reason. */
  readonly signal?: AbortSignal | undefined
}

/** A composefs image of a tree. Its layout is in memory, about 1 KiB a file; its bytes are made while they are read. */
export interface ComposefsImage {
  /** Bytes of the image. */
  readonly size: number
  /** The fs-verity digest of the image: what `ostree.composefs.digest.v0` and a kernel have. Computed when first read. */
  readonly digest: Checksum
  /** Returns the bytes, in chunks of at most 256 KiB. May be called again, for another reading from the start. */
  bytes(): Iterable<Uint8Array>
  /** Returns the lines of the image in the text format of composefs, which `mkcomposefs --from-file` reads. */
  dump(): Iterable<string>
}

class LaidOutImage implements ComposefsImage {
  readonly #layout: ImageLayout
  readonly #platform: Platform
  #digest: Checksum | undefined

  constructor(layout: ImageLayout, platform: Platform) {
    this.#layout = layout
    this.#platform = platform
  }

  get size(): number {
    return this.#layout.size
  }

  get digest(): Checksum {
    this.#digest ??= this.#computeDigest()
    return this.#digest
  }

  bytes(): Iterable<Uint8Array> {
    return writeImage(this.#layout)
  }

  dump(): Iterable<string> {
    return dumpImage(this.#layout)
  }

  #computeDigest(): Checksum {
    const hasher = new VerityHasher(this.#platform)
    for (const chunk of this.bytes()) hasher.update(chunk)
    return hasher.digest()
  }
}

/**
 * Makes the composefs image of a commit, the same bytes as `ostree checkout --composefs` of libostree 2026.4 writes. Files
 * refer to their content as `XX/REST.file`, by the checksums of their objects.
 *
 * @example
 * const image = await composefsImage(repo, await repo.resolve('main'))
 * console.log(image.digest, image.size)
 * @throws {ObjectNotFoundError} or {FormatError} when an object of the commit is missing or malformed
 * @throws {InvalidNameError} `File name too long` for names over 255 bytes and link targets of 4,096 bytes or more
 * @throws {UsageError} or {LimitError} when the format cannot hold the attributes, the size or the target of a file, or
 *   the tree is too large
 */
export async function composefsImage(
  repo: Pick<Repo, 'objects' | 'platform'>,
  commit: Checksum,
  options: ComposefsOptions = {},
): Promise<ComposefsImage> {
  const { rootTree, rootMeta } = await readCommit(repo.objects, commit)
  return imageOfTree(repo.objects, repo.platform, { tree: rootTree, meta: rootMeta }, options)
}

/** Makes the composefs image of a tree, which need not belong to a commit yet. Errors are those of `composefsImage`. */
export async function imageOfTree(
  reader: ObjectReader,
  platform: Platform,
  root: TreeRoot,
  { verity = true, signal }: ComposefsOptions = {},
): Promise<ComposefsImage> {
  return new LaidOutImage(layOut(await readNodes(reader, platform, root, { verity, signal })), platform)
}

/**
 * Makes the composefs image of a commit as `composefsImage` does, with the digests of its files, and compares its own
 * digest with the one that the metadata of the commit has, if any. A key of another type than `ay` counts as absent.
 * @throws {FormatError} when the digest in the metadata does not have 32 bytes
 * @throws {ChecksumMismatchError} when the digests differ; otherwise errors are those of `composefsImage`
 */
export async function verifiedComposefsImage(
  repo: Pick<Repo, 'objects' | 'platform'>,
  commit: Checksum,
  { signal }: Pick<ComposefsOptions, 'signal'> = {},
): Promise<ComposefsImage> {
  const image = await composefsImage(repo, commit, { signal })
  const { metadata } = await readCommit(repo.objects, commit)
  const expected = lookup(metadata, COMPOSEFS_KEY, bytes)
  if (expected === undefined) return image
  if (expected.length !== 32) {
    throw new FormatError(`${commit}.commit`, 'Expected composefs fs-verity in metadata has the wrong size')
  }
  const hex = toHex(expected) as Checksum
  if (hex === image.digest) return image
  throw new ChecksumMismatchError('composefs image', hex, image.digest).withMessage(
    `Generated composefs image digest (${image.digest}) doesn't match expected digest (${hex})`,
  )
}

/**
 * Adds the digest of the image of a tree to the metadata of a commit, in the order of GLib's hash table. A value that is
 * there already is replaced.
 */
export async function withComposefs(
  { platform }: Pick<Repo, 'platform'>,
  reader: ObjectReader,
  root: TreeRoot,
  metadata: Vardict,
  signal: AbortSignal | undefined,
): Promise<Vardict> {
  const { digest } = await imageOfTree(reader, platform, root, { signal })
  const table = new GHashOrder(metadata)
  table.set(COMPOSEFS_KEY, variantOf(bytes, fromHex(digest)))
  return [...table]
}
