/**
 * The layers of one import into one transaction: those that are here already are only named, the others fetched, one
 * after the other, in the order of the manifest but for the commit layer, which comes when all its chunks are there.
 *
 * A layer's ref is set and all made durable once its digest is verified, so the ref stands for a whole layer.
 *
 * Source: ostree-ext, container::store (unencapsulate_base, import).
 */

import type { Checksum } from '../../bytes.ts'
import { withContext } from '../../errors.ts'
import { string, variantOf } from '../../gvariant/index.ts'
import type { ProgressOptions } from '../../progress.ts'
import {
  type Repo,
  readCommit,
  readSignedCommit,
  type SePolicy,
  type Transaction,
  writeCommit,
} from '../../repo/index.ts'
import {
  type CommitVerifier,
  importCommitLayer,
  importObjectSet,
  writeObjectSetCommit,
} from '../ostree-tar/ostree-tar.ts'
import { requireComplete } from '../store/layer-kind.ts'
import { parseOstreeManifestLayout } from '../store/layout.ts'
import { IMPORTER_VERSION } from '../store/names.ts'
import type { ImageSource } from '../transport/interface.ts'
import { openLayer } from '../transport/layer-stream.ts'
import { importLayer } from './import-layer.ts'
import type { ImageLimits } from './import-options.ts'
import type { ImportListeners } from './import-progress.ts'
import { rootIsTransient } from './prepare-root.ts'
import type { PreparedImport, PreparedLayer } from './prepared-import.ts'
import { layerPolicy } from './selinux.ts'

export interface ImportRunInput extends ProgressOptions, ImportListeners {
  readonly repo: Repo
  readonly tx: Transaction
  readonly source: Pick<ImageSource, 'blob' | 'sniffCompression'>
  readonly prepared: PreparedImport
  readonly retainVar: boolean
  /** Default: as the base says. */
  readonly allowNonusr: boolean | undefined
  /** By the policy of the base, or of this commit where there is none; not at all when `undefined`. */
  readonly label: { readonly sepolicyCommit: Checksum | undefined } | undefined
  readonly importerVersion: string
  /** Of the commits of derived layers; seconds since the epoch. */
  readonly timestamp: bigint
  /** The commit of the base has to be signed to its liking; one that is stored already as well. */
  readonly verifier: CommitVerifier | undefined
  readonly limits: ImageLimits
}

export class ImportRun {
  readonly #input: ImportRunInput
  /** Names left out of the layers read, by layer. */
  readonly filtered = new Map<string, ReadonlyMap<string, number>>()
  /** What verifying the signature of the base commit said. */
  verifyText: string | undefined = undefined
  fetched = 0
  reused = 0

  constructor(input: ImportRunInput) {
    this.#input = input
  }

  /**
   * @param writeRefs keep the layers behind refs; else only the objects are stored
   * @returns the base commit, as its producer made it; `undefined` when the image has none
   * @throws {NotFoundError} when the layers do not hold all that the commit needs
   */
  async importBase(writeRefs: boolean): Promise<Checksum | undefined> {
    const { prepared, verifier } = this.#input
    if (prepared.ostreeCommitLayer === undefined) {
      // There is no commit that could be signed: better nothing than anything.
      if (verifier !== undefined) parseOstreeManifestLayout(prepared.manifest, prepared.config)
      return undefined
    }
    try {
      return await this.#importBase(prepared.ostreeCommitLayer, prepared.ostreeLayers, writeRefs)
    } catch (error) {
      throw withContext('Unencapsulating base', error)
    }
  }

  async #importBase(layer: PreparedLayer, chunks: readonly PreparedLayer[], writeRefs: boolean): Promise<Checksum> {
    const { repo, tx, limits, signal, verifier } = this.#input
    const before = this.fetched
    for (const chunk of chunks) {
      if (chunk.commit !== undefined) await this.#reuse(chunk, chunk.commit, writeRefs)
      else {
        await this.#fetch('ostree-chunk', chunk, writeRefs, async (stream) => {
          const set = await importObjectSet(repo, tx, stream, { layer: chunk.layer.digest, limits: limits.tar, signal })
          return writeRefs ? writeObjectSetCommit(tx, set) : undefined
        })
      }
    }
    if (layer.commit !== undefined) {
      this.verifyText = await verifier?.verify(await readSignedCommit(repo, layer.commit))
      await this.#reuse(layer, layer.commit, writeRefs)
      if (this.fetched > before) await requireComplete(tx, layer.commit)
      return layer.commit
    }
    let commit: Checksum | undefined
    await this.#fetch('ostree-chunk', layer, writeRefs, async (stream) => {
      const options = { layer: layer.layer.digest, limits: limits.tar, signal, verifier }
      const imported = await importCommitLayer(repo, tx, stream, options)
      commit = imported.commit
      this.verifyText = imported.verifyText
      await requireComplete(tx, commit)
      tx.setCommitState(commit, 'complete')
      return commit
    })
    return commit as unknown as Checksum // set before #fetch returned
  }

  /** @returns the commits of the derived layers, lowest first */
  async importDerived(base: Checksum | undefined): Promise<Checksum[]> {
    const { tx, prepared } = this.#input
    const policy = await this.#layerPolicy(base)
    const allowNonusr = this.#input.allowNonusr ?? (base === undefined || (await isTransient(tx, base)))
    const commits = new Map<string, Checksum>()
    for (const layer of prepared.layers) {
      const { digest } = layer.layer
      const known = layer.commit ?? commits.get(digest)
      if (known !== undefined) await this.#reuse(layer, known, true)
      const take = async (stream: AsyncIterable<Uint8Array>) => {
        const commit = await this.#importDerivedLayer(layer, stream, allowNonusr, policy)
        commits.set(digest, commit)
        return commit
      }
      if (known === undefined) await this.#fetch('derived-layer', layer, true, take)
      else commits.set(digest, known)
    }
    return prepared.layers.map(({ layer }) => commits.get(layer.digest) as Checksum) // each was set above
  }

  /** Read before any layer is: one that cannot be read stops the import. */
  async #layerPolicy(base: Checksum | undefined): Promise<SePolicy | undefined> {
    const { tx, label, prepared } = this.#input
    const commit = base ?? label?.sepolicyCommit
    if (label === undefined || commit === undefined || prepared.layers.length === 0) return undefined
    return layerPolicy(tx, commit)
  }

  async #importDerivedLayer(
    { layer, ostreeRef }: PreparedLayer,
    stream: AsyncIterable<Uint8Array>,
    allowNonusr: boolean,
    policy: SePolicy | undefined,
  ): Promise<Checksum> {
    const { repo, tx, retainVar, importerVersion, timestamp, limits, signal } = this.#input
    const { digest } = layer
    const options = { layer: digest, allowNonusr, retainVar, policy, limits: limits.tar, signal }
    const { filtered, ...root } = await importLayer(repo, tx, stream, options)
    if (filtered.size > 0) this.filtered.set(digest, filtered)
    const metadata = [[IMPORTER_VERSION, variantOf(string, importerVersion)] as const]
    const present = await repo.refs.read(`heads/${ostreeRef}`)
    const parent = present !== undefined && 'commit' in present ? present.commit : undefined
    return writeCommit(tx, { root, timestamp, metadata, parent })
  }

  /** A ref that is there keeps its target. */
  async #reuse({ layer, ostreeRef, index }: PreparedLayer, commit: Checksum, writeRefs: boolean): Promise<void> {
    const { repo, tx, prepared, onProgress } = this.#input
    this.reused++
    const total = prepared.manifest.layers.length
    onProgress?.({ kind: 'layer-cached', digest: layer.digest, index, total, size: layer.size })
    if (writeRefs && (await repo.refs.read(`heads/${ostreeRef}`)) === undefined)
      tx.setRef(`heads/${ostreeRef}`, { commit })
  }

  async #fetch(
    kind: 'ostree-chunk' | 'derived-layer',
    { layer, ostreeRef, index }: PreparedLayer,
    writeRef: boolean,
    take: (stream: AsyncIterable<Uint8Array>) => Promise<Checksum | undefined>,
  ): Promise<void> {
    const { repo, tx, source, prepared, limits, signal, onProgress, onImportProgress, onLayerProgress } = this.#input
    signal?.throwIfAborted()
    const { digest, size } = layer
    const total = prepared.manifest.layers.length
    onProgress?.({ kind: 'layer-start', digest, index, total, size })
    await onImportProgress?.({ kind: `${kind}-started`, layer })
    const stream = openLayer(source, layer, {
      platform: repo.platform,
      diffId: prepared.config.rootfs.diff_ids[index],
      maxBytes: limits.maxLayerBytes,
      signal,
      onBytes: (received) => {
        onProgress?.({ kind: 'bytes', digest, received, size })
        onLayerProgress?.({ layerIndex: index, fetched: received, total: size })
      },
    })
    // The stream ends only when the digest was right.
    const commit = await take(stream)
    if (writeRef && commit !== undefined) tx.setRef(`heads/${ostreeRef}`, { commit })
    await tx.checkpoint()
    this.fetched++
    onProgress?.({ kind: 'layer-done', digest, index, total, size })
    onProgress?.(objectsSoFar(tx))
    await onImportProgress?.({ kind: `${kind}-completed`, layer })
  }
}

async function isTransient(tx: Transaction, base: Checksum): Promise<boolean> {
  const { rootTree, rootMeta } = await readCommit(tx, base)
  return rootIsTransient(tx, { tree: rootTree, meta: rootMeta })
}

function objectsSoFar({ stats }: Transaction) {
  const written = stats.metadataWritten + stats.contentWritten
  const reused = stats.metadataTotal + stats.contentTotal - written
  return { kind: 'objects', written, reused, bytes: stats.contentBytesWritten } as const
}
