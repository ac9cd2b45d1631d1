/**
 * Fetches the summary of a remote, verifies its signatures, and keeps signed ones in a cache:
 *
 * ```
 * summary.sig   304, or the bytes that are in the cache      the cached summary is used
 *               other bytes                                  the summary is fetched; both are cached once verified
 *               does not exist                               the summary is fetched, and not cached
 * ```
 *
 * Source: ostree-repo-pull.c, _ostree_preload_metadata_file, _ostree_repo_load_cache_summary_if_same_sig,
 * _ostree_repo_cache_summary.
 */

import { equalBytes } from '../../../bytes.ts'
import { DeniedError, FormatError, UsageError } from '../../../errors.ts'
import { isNormal, type Vardict, vardict } from '../../../gvariant/index.ts'
import type { CachedFile, SummaryCache } from '../../core/summary-cache.ts'
import type { FetchBase } from '../../fetch/base.ts'
import { type Fetcher, isAbsent } from '../../fetch/fetcher.ts'
import { MAX_TEXT } from '../../fetch/mirrors.ts'
import type { Remote } from '../../remotes/remotes.ts'
import type { Verification } from '../../remotes/signature-keys.ts'
import { requireSignatures, type SignaturePolicy } from '../../remotes/verify-commit.ts'
import type { Repo } from '../../repo.ts'
import { SUMMARY_FILE, SUMMARY_SIGNATURES_FILE, Summary } from '../../summary/format.ts'

/** A summary as it was fetched. */
export interface FetchedSummary {
  readonly bytes: Uint8Array
  /** The bytes of `summary.sig`; `undefined` when there is none. */
  readonly signatures: Uint8Array | undefined
}

/** Where a summary comes from, and what it must be signed with. */
export interface SummarySource {
  readonly repo: Repo
  readonly fetcher: Fetcher
  readonly bases: readonly FetchBase[]
  /** `undefined` for a remote without a name: nothing is verified or cached. */
  readonly remote: Remote | undefined
  readonly policy: SignaturePolicy
  readonly verification: Verification | undefined
  /** The bytes of the summary, if a metalink led to it: they have the checksum that the metalink tells. */
  readonly known?: Uint8Array | undefined
  /** Default: that of the repository. */
  readonly cache?: SummaryCache | undefined
  /** Returns the error for a file that does not exist although signatures are required. Default: that of a pull. */
  readonly unsigned?: ((file: string, gpg: boolean) => DeniedError) | undefined
}

/**
 * Fetches the summary.
 * @returns `undefined` when the remote has none and no signature is required
 * @throws {DeniedError} when a required signature is missing or not good
 * @throws {FormatError} when the summary is malformed
 */
export async function fetchSummary(source: SummarySource): Promise<FetchedSummary | undefined> {
  const { remote, repo, known } = source
  const cache = remote && (source.cache ?? repo.storage.summaryCache)
  const name = remote?.name ?? ''
  const cachedSig = await cache?.read(`${name}.sig`)
  const sig = await fetchCached(source, SUMMARY_SIGNATURES_FILE, cachedSig)
  if (known !== undefined) return keep(source, { bytes: known }, sig)
  const cached = sig === undefined || cachedSig === undefined ? undefined : await cache?.read(name)
  const isSame =
    cached !== undefined && cachedSig !== undefined && equalBytes(sig?.bytes as Uint8Array, cachedSig.bytes)
  if (isSame) {
    try {
      await verify(source, cached.bytes, sig?.bytes)
      requireSound(cached.bytes)
      return { bytes: cached.bytes, signatures: sig?.bytes }
    } catch (error) {
      // The cached summary may be damaged, or its signatures: both are fetched once more, without conditions.
      if (!(error instanceof DeniedError || error instanceof FormatError)) throw error
    }
  }
  const freshSig = isSame ? await fetchCached(source, SUMMARY_SIGNATURES_FILE, undefined) : sig
  const summary = await fetchCached(
    source,
    SUMMARY_FILE,
    cachedSig === undefined || isSame ? undefined : await cache?.read(name),
  )
  return keep(source, summary, freshSig)
}

/** Verifies what was fetched, and puts it into the cache if it is signed. */
async function keep(
  source: SummarySource,
  summary: CachedFile | undefined,
  sig: CachedFile | undefined,
): Promise<FetchedSummary | undefined> {
  const { remote, repo, policy, unsigned: missing = unsigned } = source
  if (policy.gpg || policy.sign !== undefined) {
    if (summary === undefined && (policy.gpg || source.unsigned !== undefined)) throw missing(SUMMARY_FILE, policy.gpg)
    if (sig === undefined) throw missing(SUMMARY_SIGNATURES_FILE, policy.gpg)
  }
  if (summary === undefined) return undefined
  await verify(source, summary.bytes, sig?.bytes)
  requireSound(summary.bytes)
  const cache = remote && (source.cache ?? repo.storage.summaryCache)
  if (remote !== undefined && sig !== undefined && cache !== undefined && repo.storage.writable) {
    await cache.write(remote.name, summary)
    await cache.write(`${remote.name}.sig`, sig)
  }
  return { bytes: summary.bytes, signatures: sig?.bytes }
}

/** Returns the error for a file of the summary that does not exist although signatures are required. */
export function unsigned(file: string, gpg: boolean): DeniedError {
  const kind = gpg ? 'GPG verification' : 'Signatures verification'
  const key = gpg ? 'gpg-verify-summary' : 'sign-verify-summary'
  return new DeniedError(file, `${kind} enabled, but no ${file} found (use ${key}=false in remote config to disable)`)
}

async function verify(
  { repo, remote, policy, verification }: SummarySource,
  bytes: Uint8Array,
  signatures: Uint8Array | undefined,
): Promise<void> {
  if (remote === undefined || (!policy.gpg && policy.sign === undefined)) return
  const metadata = signatures && decodeSignatures(signatures)
  await requireSignatures(repo, remote, policy, { bytes, metadata, what: 'summary' }, requireVerification(verification))
}

/** Decodes signatures of a summary or a commit. As in ostree, a malformed file has none. */
export function decodeSignatures(bytes: Uint8Array): Vardict {
  return isNormal(vardict.type, bytes) ? vardict.decode(bytes) : []
}

function requireSound(bytes: Uint8Array): void {
  if (!isNormal(Summary.type, bytes)) throw new FormatError(SUMMARY_FILE, 'summary: Not normal form')
}

/** Returns the keys to verify with. @throws {UsageError} when they are missing: nothing is accepted unverified */
export function requireVerification(verification: Verification | undefined): Verification {
  if (verification !== undefined) return verification
  throw new UsageError('Verifying signatures requires the option verification', 'verification')
}

/** Fetches a file, or uses the cached one if the server says that it is the same. */
async function fetchCached(
  { fetcher, bases }: SummarySource,
  path: string,
  cached: CachedFile | undefined,
): Promise<CachedFile | undefined> {
  try {
    return await fetcher.fetch({ bases, path, limit: MAX_TEXT, headers: conditionsOf(cached) }, async (body) => {
      if (body.status === 304 && cached !== undefined) {
        await body.skip()
        return cached
      }
      const bytes = await body.read()
      const modified = Date.parse(body.header('last-modified') ?? '')
      return {
        bytes,
        etag: body.header('etag') ?? undefined,
        ...(!Number.isNaN(modified) && { lastModified: Math.floor(modified / 1000) }),
      }
    })
  } catch (error) {
    if (isAbsent(error)) return undefined
    throw error
  }
}

function conditionsOf(cached: CachedFile | undefined): Record<string, string> {
  const { etag, lastModified } = cached ?? {}
  return {
    ...(etag !== undefined && { 'if-none-match': etag }),
    ...(lastModified !== undefined && {
      // As ostree writes it, with UTC in place of GMT.
      'if-modified-since': new Date(lastModified * 1000).toUTCString().replace('GMT', 'UTC'),
    }),
  }
}
