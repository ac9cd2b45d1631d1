/**
 * Brings an image into a repository, layer by layer.
 *
 * ```
 * prepare   open, read manifest and config; which layers are here already?
 * import    chunks, commit layer            the base commit, if there is one
 *           derived layers                  a commit each
 *           merge, image ref                what is checked out
 * ```
 *
 * Each layer is made durable when its digest is verified, and not before: an import that was cut off goes on with the
 * layer it had not finished.
 *
 * Source: ostree-ext, container::store (ImageImporter).
 */

import type { Checksum } from '../bytes.ts'
import { FormatError, LimitError, UsageError, withContext } from '../errors.ts'
import type { LocalFiles } from '../platform/index.ts'
import type { ProgressOptions } from '../progress.ts'
import { prune, type Repo, type SePolicy, type Transaction } from '../repo/index.ts'
import { FlatFileNotes } from './flat-files.ts'
import { defaultPolicy, type FlattenOptions, type MetadataPolicy, type Ownership } from './flatten.ts'
import { gcImageLayers } from './gc.ts'
import { type ImageLimits, MAX_LAYERS } from './image-limits.ts'
import { timestampOfManifestOrConfig, versionForConfig } from './image-time.ts'
import type { ImportListeners } from './import-progress.ts'
import { ImportRun } from './import-run.ts'
import { findLayer, type LayerKind, noteDiffids } from './layer-kind.ts'
import { parseManifestLayout, parseOstreeManifestLayout } from './layout.ts'
import { DEFAULT_IMPORTER_VERSION, writeMergeCommit } from './merge.ts'
import { refForImage } from './names.ts'
import type { Descriptor, DiffId, Digest, HostPlatform, ImageConfiguration, ImageManifest } from './oci-types.ts'
import { type HostPolicy, requireAccepted, requireStrictDefault } from './policy-check.ts'
import { cacheUpdate, digestOfName, isSameImage, requireBootable, requireUnverified } from './preparation.ts'
import {
  fetchOrder,
  type ImportedImage,
  type PreparedImport,
  type PreparedLayer,
  type PrepareResult,
} from './prepared-import.ts'
import { type LayeredImageState, listImages, queryImageCommit, tryQueryImage } from './query.ts'
import { ReadAhead, type ReadAheadOptions } from './read-ahead.ts'
import {
  formatOstreeImageReference,
  type ImageReference,
  type OstreeImageReference,
  parseImageReference,
} from './reference.ts'
import type { RegistryOptions } from './registry/options.ts'
import { holdsLabels, relabelLayer } from './selinux.ts'
import type { ImageSource, TransportContext } from './transport/interface.ts'
import { openImage } from './transport/open.ts'

/** Of libostree, as `2024.3`. */
export interface OstreeVersion {
  readonly year: number
  readonly release: number
}

/** How an image is imported; all but `host` may be left out. */
export interface ImportOptions extends ProgressOptions, ImportListeners {
  readonly host: HostPlatform
  /** For transports that live on a disk. */
  readonly files?: LocalFiles | undefined
  /** For images in registries. */
  readonly registry?: RegistryOptions | undefined
  /** Which images may come in. Without it `ostree-image-signed:` brings in none, and the others all. */
  readonly policy?: HostPolicy | undefined
  /** Opens the image instead of the transports built in. */
  readonly open?: ((image: ImageReference, context: TransportContext) => Promise<ImageSource>) | undefined
  /** Store the image under this name instead. */
  readonly target?: OstreeImageReference | undefined
  /** Write no image ref: the merge commit's checksum is all there is. */
  readonly noImgref?: boolean | undefined
  /** Leave the stored image as it is: note no newer one on it. */
  readonly noCachedUpdate?: boolean | undefined
  /** Leave layers alone that no image needs. */
  readonly disableGc?: boolean | undefined
  /** Refuse an image without a bootable label, or of another architecture. */
  readonly requireBootable?: boolean | undefined
  /** Fail rather than open the image. */
  readonly offline?: boolean | undefined
  /** Do as an importer on that version would: before 2024.3, `/var` of derived layers is not kept where it is. */
  readonly ostreeVersion?: OstreeVersion | undefined
  /** Keep `/var` of derived layers where it is; else it goes to `/usr/share/factory/var`. Default: `ostreeVersion`. */
  readonly retainVar?: boolean | undefined
  /**
   * Keep what derived layers put beside `/usr`, `/etc` and `/var`. Default: when the root of the base is transient, or
   * there is no base.
   */
  readonly allowNonusr?: boolean | undefined
  /** Default: `exact` in bare repositories, else `compat`. */
  readonly metadata?: MetadataPolicy | undefined
  /** Owner of what `compat` gives to the importing process. Default 0:0. */
  readonly owner?: Ownership | undefined
  /** Whose policy labels layers of an image that has no base of its own. */
  readonly sepolicyCommit?: Checksum | undefined
  /** Leave SELinux labels as they are, whatever policy there is. */
  readonly noLabels?: boolean | undefined
  /** Into the metadata of merge and layer commits. Default DEFAULT_IMPORTER_VERSION. */
  readonly importerVersion?: string | undefined
  /** Seconds since the epoch, for commits of layers and of images that do not say when they were made. Default 0. */
  readonly now?: (() => bigint) | undefined
  readonly limits?: ImageLimits | undefined
  /** How far layers are fetched before their turn comes. */
  readonly readAhead?: ReadAheadOptions | undefined
  /** Hears of stored images that cannot be read and so are passed over. */
  readonly onWarning?: ((message: string) => void) | undefined
}

export interface UnencapsulatedImage {
  readonly commit: Checksum
  readonly manifestDigest: Digest
}

/** Prepare, then import, once each; dispose of it when the import is not made. */
export class ImageImporter implements AsyncDisposable {
  readonly #repo: Repo
  readonly #reference: OstreeImageReference
  readonly #options: ImportOptions
  #source: ImageSource | undefined

  /** @throws {UnsupportedError} when the reference asks for the signature of its commit to be verified */
  constructor(repo: Repo, reference: OstreeImageReference, options: ImportOptions) {
    requireUnverified(reference)
    this.#repo = repo
    this.#reference = reference
    this.#options = options
  }

  /** Reads manifest and config, and notes a newer image on the commit of the stored one. */
  async prepare(): Promise<PrepareResult> {
    try {
      return await this.#prepare()
    } catch (error) {
      throw withContext('Preparing import', error)
    }
  }

  async #prepare(): Promise<PrepareResult> {
    const repo = this.#repo
    const { imgref } = this.#reference
    requireStrictDefault(this.#reference, this.#options.policy)
    const previous = await tryQueryImage(repo, imgref, (error) => this.#options.onWarning?.(error.message))
    if (previous !== undefined && digestOfName(imgref) === previous.manifestDigest)
      return { kind: 'already-present', state: previous }
    if (this.#options.offline === true) {
      throw new UsageError('Manifest fetch required in offline mode', 'offline')
    }

    const source = await this.#open()
    const { manifest, manifestDigest } = source
    if (previous !== undefined && isSameImage(previous, manifest, manifestDigest)) {
      return { kind: 'already-present', state: previous }
    }
    const config = await source.config()
    if (previous !== undefined && this.#options.noCachedUpdate !== true) {
      await cacheUpdate(repo, previous.mergeCommit, manifest, manifestDigest, config)
    }
    if (this.#options.requireBootable === true) requireBootable(config, this.#options.host)
    return { kind: 'ready', prepared: await this.#plan(manifest, manifestDigest, config, previous) }
  }

  async #open(): Promise<ImageSource> {
    await this.#close()
    await requireAccepted(this.#reference.imgref, this.#options.policy)
    const { files, host, registry, signal, open = openImage } = this.#options
    const { platform } = this.#repo
    const source = await open(this.#reference.imgref, { platform, files, host, registry, signal })
    this.#source = source
    const { maxLayers = MAX_LAYERS } = this.#options.limits ?? {}
    if (source.manifest.layers.length > maxLayers) throw new LimitError('number of layers', maxLayers)
    return source
  }

  async #plan(
    manifest: ImageManifest,
    manifestDigest: Digest,
    config: ImageConfiguration,
    previous: LayeredImageState | undefined,
  ): Promise<PreparedImport> {
    const layout = parseManifestLayout(manifest, config)
    const known = await this.#storedDiffids()
    const find = async (layer: Descriptor, kind: LayerKind): Promise<PreparedLayer> => {
      const index = manifest.layers.findIndex(({ digest }) => digest === layer.digest)
      const diffid = config.rootfs.diff_ids[index]
      return { index, ...(await findLayer(this.#repo, layer, kind, diffid, known)) }
    }
    return {
      manifestDigest,
      manifest,
      config,
      version: versionForConfig(config),
      previousState: previous,
      previousManifestDigest: previous?.manifestDigest,
      previousImageid: previous?.manifest.config.digest,
      ostreeCommitLayer: layout.commitLayer && (await find(layout.commitLayer, 'commit')),
      ostreeLayers: await Promise.all(layout.chunks.map((layer) => find(layer, 'chunk'))),
      layers: await Promise.all(layout.derived.map((layer) => find(layer, 'derived'))),
      verifyText: undefined,
    }
  }

  /** A stored image that cannot be read only offers no layers. */
  async #storedDiffids(): Promise<Map<DiffId, string>> {
    const known = new Map<DiffId, string>()
    const warn = this.#options.onWarning
    for (const name of await listImages(this.#repo)) {
      const state = await tryQueryImage(this.#repo, parseImageReference(name), (error) => warn?.(error.message))
      if (state !== undefined) noteDiffids(known, state.manifest, state.configuration)
    }
    return known
  }

  /** Fetches what is missing and writes the merge commit. The source is closed whatever happens. */
  async import(prepared: PreparedImport): Promise<ImportedImage> {
    try {
      return await this.#import(prepared)
    } catch (error) {
      throw withContext('Importing', error)
    } finally {
      await this.#close()
    }
  }

  async #import(prepared: PreparedImport): Promise<ImportedImage> {
    const repo = this.#repo
    const { target, noImgref, disableGc } = this.#options
    const { merge, run, relabelled } = await this.#transaction(prepared, async (tx, run) => {
      const base = await run.importBase(true)
      const layers = await run.importDerived(base)
      const { commit: merge, policy } = await this.#merge(tx, prepared, base, layers)
      const relabelled = policy === undefined ? 0 : await this.#relabel(tx, prepared, layers, policy)
      const { imgref } = target ?? this.#reference
      if (noImgref !== true) tx.setRef(`heads/${refForImage(imgref)}`, { commit: merge })
      return { merge, run, relabelled }
    })
    if (disableGc !== true) await gcImageLayers(repo, [prepared.manifest])
    // What was there before the labels; without an image ref the merge commit itself would go.
    if (disableGc !== true && noImgref !== true && relabelled > 0) await prune(repo, { refsOnly: true })
    const filteredFiles = run.filtered.size === 0 ? undefined : run.filtered
    const { verifyText, fetched: layersFetched, reused: layersReused } = run
    return { ...(await queryImageCommit(repo, merge)), verifyText, filteredFiles, layersFetched, layersReused }
  }

  /** Points the refs of layers whose labels change to commits with the new ones. @returns how many did */
  async #relabel(tx: Transaction, { layers }: PreparedImport, commits: readonly Checksum[], policy: SePolicy) {
    const { signal } = this.#options
    let changed = 0
    const done = new Set<string>()
    for (const [i, { ostreeRef }] of layers.entries()) {
      const commit = commits[i] as Checksum // one a layer
      if (done.has(ostreeRef)) continue
      done.add(ostreeRef)
      const relabelled = await relabelLayer(tx, this.#repo, commit, policy, { ...this.#flattening, signal })
      if (relabelled === commit) continue
      tx.setRef(`heads/${ostreeRef}`, { commit: relabelled })
      changed++
    }
    return changed
  }

  get #labels(): boolean {
    return this.#options.noLabels !== true && holdsLabels(this.#repo)
  }

  #merge(tx: FlatFileNotes, prepared: PreparedImport, base: Checksum | undefined, layers: readonly Checksum[]) {
    const { signal } = this.#options
    const { manifest, manifestDigest, config } = prepared
    return writeMergeCommit(tx, {
      mode: this.#repo.mode,
      base,
      layers,
      manifest,
      manifestDigest,
      config,
      importerVersion: this.#importerVersion,
      timestamp: timestampOfManifestOrConfig(manifest, config) ?? this.#now,
      label: this.#labels,
      ...this.#flattening,
      flat: tx.flat,
      signal,
    })
  }

  get #flattening(): Pick<FlattenOptions, 'policy' | 'owner'> {
    const { metadata, owner } = this.#options
    return { policy: metadata ?? defaultPolicy(this.#repo.mode), owner }
  }

  /**
   * Only the OSTree part of an image that has no other: objects and commit, and no refs.
   * @throws {FormatError} when there are layers on top, or no OSTree base
   */
  async unencapsulate(): Promise<UnencapsulatedImage> {
    try {
      requireStrictDefault(this.#reference, this.#options.policy)
      const source = await this.#open()
      const { manifest, manifestDigest } = source
      const prepared = await this.#plan(manifest, manifestDigest, await source.config(), undefined)
      if (prepared.ostreeCommitLayer === undefined) parseOstreeManifestLayout(manifest, prepared.config)
      if (prepared.layers.length > 0) {
        throw new FormatError('manifest', `Image has ${prepared.layers.length} non-ostree layers`)
      }
      const commit = await this.#transaction(prepared, (_, run) => run.importBase(false))
      return { commit: commit as Checksum, manifestDigest } // a base there is: see above
    } catch (error) {
      throw withContext(`Importing ${formatOstreeImageReference(this.#reference)}`, error)
    } finally {
      await this.#close()
    }
  }

  async #transaction<T>(prepared: PreparedImport, work: (tx: FlatFileNotes, run: ImportRun) => Promise<T>): Promise<T> {
    const repo = this.#repo
    const {
      ostreeVersion,
      retainVar = keepsVar(ostreeVersion),
      allowNonusr,
      limits = {},
      readAhead,
      signal,
    } = this.#options
    const { onProgress, onImportProgress, onLayerProgress } = this.#options
    const listeners = { signal, onProgress, onImportProgress, onLayerProgress }
    const source = this.#source ?? (await this.#open())
    const commits = { importerVersion: this.#importerVersion, timestamp: this.#now }
    const label = this.#labels ? { sepolicyCommit: this.#options.sepolicyCommit } : undefined
    const settings = { retainVar, allowNonusr, label, ...commits, limits, ...listeners }
    return repo.transaction(async (plain) => {
      const tx = new FlatFileNotes(plain, repo.mode, this.#flattening)
      await using blobs = new ReadAhead(source, fetchOrder(prepared), readAhead)
      return await work(tx, new ImportRun({ repo, tx, source: blobs, prepared, ...settings }))
    })
  }

  get #importerVersion(): string {
    return this.#options.importerVersion ?? DEFAULT_IMPORTER_VERSION
  }

  get #now(): bigint {
    return this.#options.now?.() ?? 0n
  }

  async #close(): Promise<void> {
    const source = this.#source
    this.#source = undefined
    await source?.[Symbol.asyncDispose]()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#close()
  }
}

function keepsVar(version: OstreeVersion | undefined): boolean {
  if (version === undefined) return true
  return version.year > 2024 || (version.year === 2024 && version.release >= 3)
}
