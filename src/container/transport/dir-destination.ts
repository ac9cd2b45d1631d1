/**
 * Writes an image to a directory, with manifest and blobs unchanged:
 *
 *     version          Directory Transport Version: 1.1
 *     manifest.json    the bytes of the manifest, of any type
 *     <hex>            blobs, by the hex of their digests
 *
 * The image is written to a temporary directory beside its place, which is then moved there; an empty directory is
 * replaced. Over an older image, its files are moved one by one:
 *
 *     <hex> ..         the old image is complete, with blobs that it does not name
 *     manifest.json    from here on the new image is complete
 *     <hex> ..         all other files are removed, such as blobs and signatures of the old image
 *
 * So there is a complete image in that place at any time, also when the process is killed.
 * Source: containers/image, package `directory`.
 */
import { displayUtf8, encodeUtf8 } from '../../bytes.ts'
import { ConflictError, UsageError } from '../../errors.ts'
import type { Platform, WritableFiles } from '../../platform/index.ts'
import { digestChecksum, digestOf } from '../oci/digest.ts'
import type { Digest, StoredBlob } from '../oci/oci-types.ts'
import type { ImageDestination, PutBlobOptions } from './destination.ts'
import { directoryWritableTree, putVerified, type WritableTree } from './writable-tree.ts'

const VERSION = 'Directory Transport Version: 1.1\n'
/** The files that are not blobs. `version` is the same in every image. */
const DOCUMENTS: readonly string[] = ['version', 'manifest.json']

/**
 * Opens a `dir:` destination.
 * @throws {ConflictError} when `path` is not a directory, or has a file `version` that is not that of an image
 * @throws {IoError} when the temporary directory cannot be created
 */
export async function openDirDestination(
  files: WritableFiles,
  path: string,
  platform: Platform,
): Promise<ImageDestination> {
  const older = await isImageDirectory(files, path)
  // The image is a subdirectory, since only its owner can read the temporary directory itself. Files can be moved only
  // within a file system: the directory of an older image may be a link or a mount point.
  const temporary = await files.createTemporary(older ? path : files.parent(path))
  const folder = files.join(temporary, 'image')
  await files.createDirectory(folder)
  const tree = await directoryWritableTree(files, folder, [])
  const publish = async () => {
    await tree[Symbol.asyncDispose]()
    await (older ? replaceImage(files, folder, path) : files.rename(folder, path))
  }
  return new DirDestination(path, tree, platform, publish, () => files.remove(temporary))
}

/**
 * Whether `path` is a directory with an image, which may be replaced. Only the exact content of `version` and a file
 * `manifest.json` identify one. @throws {ConflictError} when it holds something else
 */
async function isImageDirectory(files: WritableFiles, path: string): Promise<boolean> {
  const found = await files.stat(path)
  if (found === undefined) return false
  const conflict = () => new ConflictError(path, `dir:${path}: exists already and is not an image directory`)
  if (found.kind !== 'directory') throw conflict()
  const version = files.join(path, 'version')
  const size = (await files.stat(version))?.size
  if (size === undefined) return false
  const isOurs = size === VERSION.length && displayUtf8(await files.read(version, VERSION.length)) === VERSION
  if (!isOurs || (await files.stat(files.join(path, 'manifest.json'))) === undefined) throw conflict()
  return true
}

/** Moves the files of the image in `folder` over those of the image in `path`, and removes all others there. */
async function replaceImage(files: WritableFiles, folder: string, path: string): Promise<void> {
  const move = (name: string) => files.rename(files.join(folder, name), files.join(path, name))
  const names = new Set(await files.list(folder))
  for (const name of names) if (!DOCUMENTS.includes(name)) await move(name)
  for (const name of DOCUMENTS) await move(name)
  for (const name of await files.list(path)) {
    if (!names.has(name) && !name.startsWith('.tmp-')) await files.remove(files.join(path, name))
  }
}

/** Writes to a tree that `publish` moves to its path. */
class DirDestination implements ImageDestination {
  readonly what: string
  readonly #tree: WritableTree
  readonly #platform: Platform
  readonly #publish: () => Promise<void>
  readonly #remove: () => Promise<void>
  #manifest: Digest | undefined

  constructor(
    what: string,
    tree: WritableTree,
    platform: Platform,
    publish: () => Promise<void>,
    remove: () => Promise<void>,
  ) {
    this.what = what
    this.#tree = tree
    this.#platform = platform
    this.#publish = publish
    this.#remove = remove
  }

  acceptsManifest(): boolean {
    return true
  }

  async hasBlob({ digest, size }: StoredBlob): Promise<boolean> {
    return (await this.#tree.size(digestChecksum(digest))) === size
  }

  putBlob(bytes: AsyncIterable<Uint8Array>, options: PutBlobOptions = {}): Promise<StoredBlob> {
    return putVerified(this.#tree, this.#platform, bytes, options, digestChecksum)
  }

  async putManifest(bytes: Uint8Array): Promise<Digest> {
    if (this.#manifest !== undefined)
      throw new ConflictError('manifest', `dir:${this.what}: the image already has a manifest`)
    await this.#tree.replace('manifest.json', bytes)
    await this.#tree.replace('version', encodeUtf8(VERSION))
    this.#manifest = digestOf(this.#platform.sha256(bytes))
    return this.#manifest
  }

  async commit(): Promise<Digest> {
    if (this.#manifest === undefined) throw new UsageError(`dir:${this.what}: an image needs a manifest`)
    await this.#publish()
    return this.#manifest
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#tree[Symbol.asyncDispose]()
    await this.#remove()
  }
}
