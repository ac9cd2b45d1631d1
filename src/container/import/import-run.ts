/**
 * Writes the layers of one image to one transaction. Layers that are stored already are only referred to; the others are
 * fetched one after the other, in the order of the manifest, except that the commit layer comes after all its chunks.
 *
 * When the digest of a layer is verified, its ref is set and both are made durable: a ref always stands for a whole layer.
 *
 * Source: ostree-ext, container::store (unencapsulate_base, import).
 */

import type { Checksum } from '../../bytes.ts'
import { withContext } from '../../errors.ts'
import { string, variantOf } from '../../gvariant/index.ts'
import type { Progress } from '../../progress.ts'
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
import { requireComplete } from '../ostree-tar/require-complete.ts'
import { parseOstreeManifestLayout } from '../store/layout.ts'
import { IMPORTER_VERSION, type LayerKind } from '../store/names.ts'
import type { LayerCommit } from '../store/place-image.ts'
import { resolveLocalRef } from '../store/refs.ts'
import type { ImageSource } from '../transport/interface.ts'
import { openLayer } from '../transport/layer-stream.ts'
import { importLayer } from './import-layer.ts'
import type { ResolvedImportOptions } from './import-options.ts'
import { rootIsTransient } from './prepare-root.ts'
import type { PreparedImport, PreparedLayer } from './prepared-import.ts'
import { layerPolicy } from './selinux.ts'

/** What an import reads and where it writes to. */
export interface ImportRunInput {
  readonly repo: Repo
  readonly tx: Transaction
  readonly source: Pick<ImageSource, 'blob'>
  readonly prepared: PreparedImport
  /** Verifies the signature of the base commit, also when that commit is already stored. */
  readonly verifier: CommitVerifier | undefined
  /** Label derived layers by the SELinux policy of the base, or of `sepolicyCommit` when there is no base. */
  readonly labels: boolean
}

/** The layers of one import. */
export class ImportRun {
  readonly #input: ImportRunInput
  readonly #options: ResolvedImportOptions
  /** Time of the commits of derived layers, in seconds since the epoch. */
  readonly #timestamp: bigint
  /** The number of entries left out of each layer that was fetched, by the name they are counted under. */
  readonly filtered = new Map<string, ReadonlyMap<string, number>>()
  /** The result of verifying the signature of the base commit, as text. */
  verifyText: string | undefined = undefined
  /** The commits of all layers of the image so far. */
  readonly stored: LayerCommit[] = []
  /** Layers fetched so far. */
  fetched = 0
  /** Layers so far that were stored already. */
  reused = 0

  constructor(input: ImportRunInput, options: ResolvedImportOptions) {
    this.#input = input
    this.#options = options
    this.#timestamp = options.now()
  }

  /**
   * Stores the base commit of the image, with the checksum its producer gave it.
   * @param writeRefs set the refs of its layers; else only objects are stored
   * @returns its checksum; `undefined` when the image has none
   * @throws {NotFoundError} when an object that the commit needs is in none of the layers
   */
  async importBase(writeRefs: boolean): Promise<Checksum | undefined> {
    const { prepared, verifier } = this.#input
    if (prepared.ostreeCommitLayer === undefined) {
      // Verification was asked for, but the image holds no OSTree commit to verify: fail rather than skip.
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
    const { repo, tx, verifier } = this.#input
    const { limits, signal } = this.#options
    const before = this.fetched
    for (const chunk of chunks) {
      const known = await this.#known(chunk)
      if (known !== undefined) await this.#reuse('chunk', chunk, known, writeRefs)
      else {
        await this.#fetch('chunk', chunk, writeRefs, async (stream) => {
          const set = await importObjectSet(repo, tx, stream, { layer: chunk.layer.digest, limits: limits.tar, signal })
          return writeRefs ? writeObjectSetCommit(tx, set) : undefined
        })
      }
    }
    const known = await this.#known(layer)
    if (known !== undefined) {
      this.verifyText = await verifier?.verify(await readSignedCommit(repo, known))
      await this.#reuse('commit', layer, known, writeRefs)
      if (this.fetched > before) await requireComplete(tx, known)
      return known
    }
    let commit: Checksum | undefined
    await this.#fetch('commit', layer, writeRefs, async (stream) => {
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

  /** Stores the derived layers. @returns their commits, lowest first */
  async importDerived(base: Checksum | undefined): Promise<Checksum[]> {
    const { tx, prepared } = this.#input
    const policy = await this.#layerPolicy(base)
    const allowNonusr = this.#options.allowNonusr ?? (base === undefined || (await isTransient(tx, base)))
    const commits = new Map<string, Checksum>()
    for (const layer of prepared.layers) {
      const { digest } = layer.layer
      const known = commits.get(digest) ?? (await this.#known(layer))
      if (known !== undefined) await this.#reuse('derived', layer, known, true)
      const take = async (stream: AsyncIterable<Uint8Array>) => {
        const commit = await this.#importDerivedLayer(layer, stream, allowNonusr, policy)
        commits.set(digest, commit)
        return commit
      }
      if (known === undefined) await this.#fetch('derived', layer, true, take)
      else commits.set(digest, known)
    }
    return prepared.layers.map(({ layer }) => commits.get(layer.digest) as Checksum) // each was set above
  }

  /** Reads the policy before any layer is fetched: one that cannot be read stops the import. */
  async #layerPolicy(base: Checksum | undefined): Promise<SePolicy | undefined> {
    const { tx, labels, prepared } = this.#input
    const commit = base ?? this.#options.sepolicyCommit
    if (!labels || commit === undefined || prepared.layers.length === 0) return undefined
    return layerPolicy(tx, commit)
  }

  async #importDerivedLayer(
    { layer }: PreparedLayer,
    stream: AsyncIterable<Uint8Array>,
    allowNonusr: boolean,
    policy: SePolicy | undefined,
  ): Promise<Checksum> {
    const { repo, tx } = this.#input
    const { retainVar, importerVersion, limits, signal } = this.#options
    const { digest } = layer
    const options = { layer: digest, allowNonusr, retainVar, policy, limits: limits.tar, signal }
    const { filtered, ...root } = await importLayer(repo, tx, stream, options)
    if (filtered.size > 0) this.filtered.set(digest, filtered)
    const metadata = [[IMPORTER_VERSION, variantOf(string, importerVersion)] as const]
    return writeCommit(tx, { root, timestamp: this.#timestamp, metadata })
  }

  /** Returns the commit of a stored layer, unless it was pruned since the import was prepared. */
  async #known({ commit: checksum }: PreparedLayer): Promise<Checksum | undefined> {
    if (checksum === undefined) return undefined
    return (await this.#input.tx.has({ checksum, type: 'commit' })) ? checksum : undefined
  }

  async #reuse(kind: LayerKind, layer: PreparedLayer, commit: Checksum, writeRefs: boolean): Promise<void> {
    this.reused++
    await this.#report('layer-cached', kind, layer)
    if (writeRefs) await this.#keep(kind, layer, commit)
  }

  /**
   * Sets the ref of a layer, so that an import that is interrupted does not lose it. A ref that is there already may
   * belong to another image, which `placeImage` finds out at the end.
   */
  async #keep(kind: LayerKind, { layer, ostreeRef }: PreparedLayer, commit: Checksum): Promise<void> {
    const { repo, tx } = this.#input
    this.stored.push({ layer, kind, commit })
    const present = await resolveLocalRef(repo, ostreeRef)
    const isFree = present === undefined || !(await tx.has({ checksum: present, type: 'commit' }))
    if (isFree) tx.setRef(`heads/${ostreeRef}`, { commit })
  }

  /** Fetches a layer, and sets its ref when it is verified. @param take imports the plain tar and returns its commit */
  async #fetch(
    kind: LayerKind,
    prepared: PreparedLayer,
    writeRef: boolean,
    take: (stream: AsyncIterable<Uint8Array>) => Promise<Checksum | undefined>,
  ): Promise<void> {
    const { repo, tx, source } = this.#input
    const { limits, signal, onProgress } = this.#options
    const { layer, index } = prepared
    const { digest, size } = layer
    signal?.throwIfAborted()
    await this.#report('layer-start', kind, prepared)
    const stream = openLayer(source, layer, {
      platform: repo.platform,
      diffId: this.#input.prepared.config.rootfs.diff_ids[index],
      maxBytes: limits.maxLayerBytes,
      signal,
      onBytes: (received) => onProgress?.({ kind: 'bytes', digest, index, received, size }),
    })
    // The stream ends only when the digest was right.
    const commit = await take(stream)
    if (writeRef && commit !== undefined) await this.#keep(kind, prepared, commit)
    await tx.checkpoint()
    this.fetched++
    await this.#report('layer-done', kind, prepared)
    onProgress?.(objectsSoFar(tx))
  }

  /** Reports a layer, and waits for the listener. */
  async #report(event: LayerEventKind, kind: LayerKind, { layer, index }: PreparedLayer): Promise<void> {
    const { digest, size } = layer
    const part = kind === 'derived' ? 'derived-layer' : 'ostree-chunk'
    const total = this.#input.prepared.manifest.layers.length
    await this.#options.onProgress?.({ kind: event, part, digest, index, total, size })
  }
}

type LayerEventKind = 'layer-start' | 'layer-done' | 'layer-cached'

async function isTransient(tx: Transaction, base: Checksum): Promise<boolean> {
  const { rootTree, rootMeta } = await readCommit(tx, base)
  return rootIsTransient(tx, { tree: rootTree, meta: rootMeta })
}

function objectsSoFar({ stats }: Transaction): Progress {
  const written = stats.metadataWritten + stats.contentWritten
  const reused = stats.metadataTotal + stats.contentTotal - written
  return { kind: 'objects', written, reused, bytes: stats.contentBytesWritten }
}
