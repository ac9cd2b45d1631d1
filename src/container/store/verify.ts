/**
 * Verifies that the merge commit of a stored image holds the entries of its layers.
 *
 * ```
 * Verifying with base ostree layer ostree/container/blob/sha256_3A_…
 * Image has 1 derived layers
 * OK image docker://quay.io/a/b:latest (verified=1234)
 * ```
 *
 * Source: ostree-ext, container::store (verify_container_image).
 */

import type { Checksum, MaybePromise } from '../../bytes.ts'
import { withContext } from '../../errors.ts'
import { commitRoot, type DirectoryEntry, type FileOwner, findSePolicy, type Repo } from '../../repo/index.ts'
import { defaultPolicy, flatHeader, type MetadataPolicy } from '../layers/flatten.ts'
import { formatImageReference, type ImageReference, toImageReference } from '../oci/reference.ts'
import { requireLayer } from './layer-refs.ts'
import { parseManifestLayout } from './layout.ts'
import { refForLayer } from './names.ts'
import { type LayeredImageState, noSuchImage, queryImage } from './query.ts'
import { type CompareState, compareCommitTrees, createCompareState, isCompareStateOk } from './verify-tree.ts'

/** How a stored image is verified. */
export interface VerifyImageOptions {
  /** Result of `queryImage` for the image. Default: it is queried. */
  readonly state?: LayeredImageState | undefined
  /** Returns whether the inode number of an object is that of another one, too. Default: false. */
  readonly isColliding?: ((file: Checksum) => MaybePromise<boolean>) | undefined
  /** Print every path that is wrong. */
  readonly verbose?: boolean | undefined
  /** Options that the image was imported with. Default: the policy of the repository's mode, and 0:0. */
  readonly metadata?: MetadataPolicy | undefined
  readonly owner?: FileOwner | undefined
  /** Called with each line for standard output or standard error. */
  readonly onLine?: ((line: string, stream: 'out' | 'err') => void) | undefined
  readonly signal?: AbortSignal | undefined
}

/** The result of verifying an image. */
export interface ImageVerification extends CompareState {
  readonly ok: boolean
}

/**
 * Verifies that the merge commit of a stored image still holds what its layers put there.
 *
 * @example
 * const { ok, unknownCorrupted } = await verifyContainerImage(repo, 'docker://quay.io/exampleos/os:1')
 * @param image a reference, or its text
 * @returns the absolute paths that were found right and wrong; `ok` when none is wrong
 * @throws {NotFoundError} when the image, or one of its layers, is not stored
 * @throws {InvalidNameError} when the text is not a reference
 * @throws {ObjectNotFoundError} when an object of a layer's tree is missing
 */
export async function verifyContainerImage(
  repo: Repo,
  image: string | ImageReference,
  options: VerifyImageOptions = {},
): Promise<ImageVerification> {
  const state = options.state ?? (await queryImage(repo, image))
  if (state === undefined) throw noSuchImage(image)
  try {
    return await verify(repo, toImageReference(image), state, options)
  } catch (error) {
    throw withContext('Verifying container image state', error)
  }
}

async function verify(
  repo: Repo,
  image: ImageReference,
  { manifest, configuration, baseCommit, mergeCommit }: LayeredImageState,
  { isColliding, verbose, metadata, owner, onLine, signal }: VerifyImageOptions,
): Promise<ImageVerification> {
  const { objects } = repo
  const out = (line: string) => onLine?.(line, 'out')
  const err = (line: string) => onLine?.(line, 'err')
  const { commitLayer, derived } = parseManifestLayout(manifest, configuration)
  const merge = await commitRoot(objects, mergeCommit)
  const layers: DirectoryEntry[] = []
  for (const layer of derived) {
    const commit = await requireLayer(repo, mergeCommit, { layer, kind: 'derived' }, 'Missing layer')
    layers.push(await commitRoot(objects, commit))
  }

  const compared = createCompareState()
  const flat = flatHeader(repo.mode, { policy: metadata ?? defaultPolicy(repo.mode), owner })
  const shared = { flatHeader: flat, isColliding, onMissing: (path: string) => err(`Missing ${path}`), signal }
  if (commitLayer !== undefined) {
    out(`Verifying with base ostree layer ${refForLayer(commitLayer)}`)
    // If there is a policy, files of the base may have got new labels.
    const exact = layers.length === 0 || (await findSePolicy(objects, merge)) === undefined
    const above = layers.map(({ tree }) => tree)
    await compareCommitTrees(objects, merge, await commitRoot(objects, baseCommit), compared, {
      ...shared,
      exact,
      above,
    })
  }
  out(`Image has ${layers.length} derived layers`)
  for (const [i, layer] of [...layers.entries()].reverse()) {
    const above = layers.slice(i + 1).map(({ tree }) => tree)
    await compareCommitTrees(objects, merge, layer, compared, { ...shared, exact: false, above })
  }

  const ok = isCompareStateOk(compared)
  if (ok) out(`OK image ${formatImageReference(image)} (verified=${compared.verified.size})\n`)
  else for (const line of describe(compared, verbose === true)) err(line)
  return { ...compared, ok }
}

function* describe({ verified, inodeCorrupted, unknownCorrupted }: CompareState, verbose: boolean): Generator<string> {
  yield 'warning: Found corrupted merge commit'
  yield `  inode clashes: ${inodeCorrupted.size}`
  yield `  unknown:       ${unknownCorrupted.size}`
  yield `  ok:            ${verified.size}`
  if (verbose) {
    yield 'Mismatches:'
    for (const path of inodeCorrupted) yield `  inode: ${path}`
    for (const path of unknownCorrupted) yield `  other: ${path}`
  }
  yield ''
}
