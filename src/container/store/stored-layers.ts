/** Finds layers of an image that are stored already, as part of any image. */

import type { Checksum } from '../../bytes.ts'
import type { OstreeError } from '../../errors.ts'
import type { Commit } from '../../objects/index.ts'
import { type ObjectReader, type Repo, readCommit } from '../../repo/index.ts'
import type { Descriptor, DiffId, ImageConfiguration, ImageManifest } from '../oci/oci-types.ts'
import { listHolders } from './holders.ts'
import { isOfKind } from './layer-kind.ts'
import { LAYER_PREFIX, type LayerKind, refForImageLayer } from './names.ts'
import { prefixEscapeRef } from './ref-escape.ts'
import { resolveLocalRef } from './refs.ts'

/** Decides whether the commit of a layer can be used. */
export type AcceptLayer = (checksum: Checksum, commit: Commit) => Promise<boolean>

/** The stored layers, by digest and by the digest of their uncompressed content. */
export class StoredLayers {
  readonly #repo: Repo
  /** Refs that only one image has (layer-refs.ts), by digest. */
  readonly #own: ReadonlyMap<string, readonly string[]>
  readonly #byDiffid = new Map<DiffId, Set<string>>()

  private constructor(repo: Repo, own: ReadonlyMap<string, readonly string[]>) {
    this.#repo = repo
    this.#own = own
  }

  /** Lists the layers of a repository. @param onError called for each image that cannot be read; such images are skipped */
  static async list(repo: Repo, onError: (error: OstreeError) => void): Promise<StoredLayers> {
    const { holders, unreadable } = await listHolders(repo)
    for (const error of unreadable) onError(error)
    const own = new Map<string, string[]>()
    for (const { mergeCommit, layers, ownRefs } of holders) {
      for (const { layer, kind } of layers) {
        const ref = refForImageLayer(mergeCommit, kind, layer)
        if (ownRefs.has(ref)) own.set(layer.digest, [...(own.get(layer.digest) ?? []), ref])
      }
    }
    const stored = new StoredLayers(repo, own)
    for (const { manifest, config } of holders) if (config !== undefined) stored.#note(manifest, config)
    return stored
  }

  /** Notes the diff ids of an image's layers. */
  #note(manifest: ImageManifest, config: ImageConfiguration): void {
    for (const [index, { digest }] of manifest.layers.entries()) {
      const diffid = config.rootfs.diff_ids[index]
      if (diffid === undefined) continue
      this.#byDiffid.set(diffid, (this.#byDiffid.get(diffid) ?? new Set()).add(digest))
    }
  }

  /**
   * Finds the commit of a layer: behind a ref of its digest, or of the same content compressed in another way.
   * @param accept returns whether a commit of the right kind can be used. Default: each can
   */
  async find(
    reader: ObjectReader,
    layer: Descriptor,
    kind: LayerKind,
    diffid: DiffId | undefined,
    accept: AcceptLayer = async () => true,
  ): Promise<Checksum | undefined> {
    const same = diffid === undefined ? [] : (this.#byDiffid.get(diffid) ?? [])
    for (const digest of new Set<string>([layer.digest, ...same])) {
      for (const ref of [prefixEscapeRef(LAYER_PREFIX, digest), ...(this.#own.get(digest) ?? [])]) {
        const checksum = await resolveLocalRef(this.#repo, ref)
        // A ref whose commit is missing does not count: the layer is fetched again.
        if (checksum === undefined || !(await reader.has({ checksum, type: 'commit' }))) continue
        const commit = await readCommit(reader, checksum)
        if ((await isOfKind(reader, commit, kind)) && (await accept(checksum, commit))) return checksum
      }
    }
    return undefined
  }
}
