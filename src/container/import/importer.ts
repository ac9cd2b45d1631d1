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

import type { Checksum } from '../../bytes.ts'
import { FormatError, LimitError, UsageError, withContext } from '../../errors.ts'
import { findRemote, prune, type Repo, readSignedCommit, type SePolicy, type Transaction } from '../../repo/index.ts'
import { defaultPolicy, type FlattenOptions } from '../layers/flatten.ts'
import type { Descriptor, DiffId, Digest, ImageConfiguration, ImageManifest } from '../oci/oci-types.ts'
import { formatOstreeImageReference, type OstreeImageReference, parseImageReference } from '../oci/reference.ts'
import { openImage } from '../open/open-image.ts'
import type { CommitVerifier } from '../ostree-tar/ostree-tar.ts'
import { requireAccepted, requireStrictDefault } from '../policy/policy-check.ts'
import { gcImageLayers } from '../store/gc.ts'
import { timestampOfManifestOrConfig, versionForConfig } from '../store/image-time.ts'
import { findLayer, type LayerKind, noteDiffids } from '../store/layer-kind.ts'
import { parseManifestLayout, parseOstreeManifestLayout } from '../store/layout.ts'
import { refForImage } from '../store/names.ts'
import { type LayeredImageState, listImages, queryImageCommit, tryQueryImage } from '../store/query.ts'
import type { ImageSource } from '../transport/interface.ts'
import { FlatFileNotes } from './flat-files.ts'
import { type ImportOptions, keepsVar, MAX_LAYERS } from './import-options.ts'
import { ImportRun } from './import-run.ts'
import { DEFAULT_IMPORTER_VERSION, writeMergeCommit } from './merge.ts'
import {
  cacheUpdate,
  commitVerifier,
  digestOfName,
  isSameImage,
  requireBootable,
  requireCommitLabel,
  requirePlace,
} from './preparation.ts'
import {
  fetchOrder,
  type ImportedImage,
  type PreparedImport,
  type PreparedLayer,
  type PrepareResult,
} from './prepared-import.ts'
import { ReadAhead } from './read-ahead.ts'
import { holdsLabels, relabelLayer } from './selinux.ts'

export interface UnencapsulatedImage {
  readonly commit: Checksum
  readonly manifestDigest: Digest
}

/** Prepare, then import, once each; dispose of it when the import is not made. */
export class ImageImporter implements AsyncDisposable {
  readonly #repo: Repo
  readonly #reference: OstreeImageReference
  readonly #options: ImportOptions
  readonly #verifier: CommitVerifier | undefined
  #source: ImageSource | undefined

  /** @throws {UnsupportedError} when the reference asks for signatures to be verified, and the options not how */
  constructor(repo: Repo, reference: OstreeImageReference, options: ImportOptions) {
    this.#repo = repo
    this.#verifier = commitVerifier(repo, reference, options.verification)
    this.#reference = reference
    this.#options = options
  }

  /** Reads manifest and config, and notes a newer image on the commit of the stored one. */
  async prepare(): Promise<PrepareResult> {
    try {
      return await this.#prepare()
    } catch (error) {
      throw withContext('Preparing import: Fetching manifest', error)
    }
  }

  async #prepare(): Promise<PrepareResult> {
    const repo = this.#repo
    const { imgref } = this.#reference
    requireStrictDefault(this.#reference, this.#options.policy)
    const previous = await tryQueryImage(repo, imgref, (error) => this.#options.onWarning?.(error.message))
    if (this.#verifier !== undefined) await findRemote(repo, this.#verifier.remote)
    if (previous !== undefined && digestOfName(imgref) === previous.manifestDigest) return this.#present(previous)
    if (this.#options.offline === true) {
      throw new UsageError('Manifest fetch required in offline mode', 'offline')
    }

    const { target, noImgref } = this.#options
    if (noImgref !== true) await requirePlace(repo, (target ?? this.#reference).imgref)
    const source = await this.#open()
    const { manifest, manifestDigest } = source
    if (previous !== undefined && isSameImage(previous, manifest, manifestDigest)) return this.#present(previous)
    const config = await source.config()
    if (previous !== undefined && this.#options.noCachedUpdate !== true) {
      await cacheUpdate(repo, previous.mergeCommit, manifest, manifestDigest, config)
    }
    if (this.#options.requireBootable === true) requireBootable(config, this.#options.host)
    return { kind: 'ready', prepared: await this.#plan(manifest, manifestDigest, config, previous) }
  }

  /** Whoever stored it may have asked for no signature. */
  async #present(state: LayeredImageState): Promise<PrepareResult> {
    if (this.#verifier !== undefined) {
      parseOstreeManifestLayout(state.manifest, state.configuration)
      await this.#verifier.verify(await readSignedCommit(this.#repo, state.baseCommit))
    }
    return { kind: 'already-present', state }
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
    const { target, noImgref, disableGc, verifyCommitLabel } = this.#options
    const { merge, run, relabelled } = await this.#transaction(prepared, async (tx, run) => {
      const base = await run.importBase(true)
      if (verifyCommitLabel === true && base !== undefined) requireCommitLabel(prepared.config, base)
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
      const prepared = await this.#prepareBase()
      const { manifest, manifestDigest } = prepared
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

  /** Whatever is stored under the image's name. */
  async #prepareBase(): Promise<PreparedImport> {
    try {
      requireStrictDefault(this.#reference, this.#options.policy)
      if (this.#verifier !== undefined) await findRemote(this.#repo, this.#verifier.remote)
      const source = await this.#open()
      return await this.#plan(source.manifest, source.manifestDigest, await source.config(), undefined)
    } catch (error) {
      throw withContext('Fetching manifest', error)
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
    const settings = { retainVar, allowNonusr, label, verifier: this.#verifier, ...commits, limits, ...listeners }
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
