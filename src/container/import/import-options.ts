/** The options of an import. Source: ostree-ext, container::store (the setters of ImageImporter). */

import type { Checksum } from '../../bytes.ts'
import type { LocalFiles } from '../../platform/index.ts'
import type { Progress, ProgressOptions } from '../../progress.ts'
import type { FileOwner, Verification } from '../../repo/index.ts'
import type { TarLimits } from '../../tar/index.ts'
import type { MetadataPolicy } from '../layers/flatten.ts'
import type { HostPlatform } from '../oci/oci-types.ts'
import type { ImageReference, OstreeImageReference } from '../oci/reference.ts'
import type { HostPolicy } from '../policy/policy-check.ts'
import type { RegistryOptions, TransportContext } from '../registry/options.ts'
import type { ImageSource } from '../transport/interface.ts'
import type { LayerThreads } from './lanes/interface.ts'
import type { ReadAheadOptions } from './read-ahead.ts'

/** A version of libostree, such as `2024.3`. */
export interface OstreeVersion {
  readonly year: number
  readonly release: number
}

/** How an image is imported; only `host` is required. */
export interface ImportOptions extends ProgressOptions {
  /**
   * Called with each event. When it returns a promise for an event about a layer, the import waits for it; when it
   * throws, or the promise rejects, the import fails. `importProgressOf` and `layerProgressOf` turn events into those of
   * ostree-ext.
   */
  readonly onProgress?: ((event: Progress) => unknown) | undefined
  /** The platform whose manifest is chosen from an image index. */
  readonly host: HostPlatform
  /** Access to files, for the transports that read them. */
  readonly files?: LocalFiles | undefined
  /** How registries are accessed. */
  readonly registry?: RegistryOptions | undefined
  /**
   * The signature policy. Without it `ostree-image-signed:` references are refused, and images of the other kinds
   * accepted.
   */
  readonly policy?: HostPolicy | undefined
  /** The keys for `ostree-remote-image:` references. Without it they are refused. */
  readonly verification?: Verification | undefined
  /** Opens the image. Default: `openImage`, with the built-in transports. */
  readonly open?: ((image: ImageReference, context: TransportContext) => Promise<ImageSource>) | undefined
  /** The name that the image is stored under. Default: its own. */
  readonly target?: OstreeImageReference | undefined
  /** Write no ref for the image: only the result names the merge commit. */
  readonly noImgref?: boolean | undefined
  /** Do not note a newer image on the stored one. */
  readonly noCachedUpdate?: boolean | undefined
  /** Keep layers that no image needs. */
  readonly disableGc?: boolean | undefined
  /** Refuse an image without a bootable label, or of another architecture. */
  readonly requireBootable?: boolean | undefined
  /** Refuse an image whose label `ostree.commit` does not name the commit in it. Default: they are not compared. */
  readonly verifyCommitLabel?: boolean | undefined
  /** Fail instead of opening the image. */
  readonly offline?: boolean | undefined
  /** Import as an importer with that version of libostree does: before 2024.3 it does not retain `/var`. */
  readonly ostreeVersion?: OstreeVersion | undefined
  /**
   * Keep `/var` of derived layers at its path; else it becomes `/usr/share/factory/var`. Default: what `ostreeVersion`
   * does, true without that.
   */
  readonly retainVar?: boolean | undefined
  /**
   * Keep files of derived layers that are not in `/usr`, `/etc` or `/var`. Default: true when the root of the base is
   * transient, or the image has no base.
   */
  readonly allowNonusr?: boolean | undefined
  /** What the merged tree keeps of owners, modes and attributes. Default: `exact` in bare repositories, else `compat`. */
  readonly metadata?: MetadataPolicy | undefined
  /** Owner of the entries that `compat` gives to the importing process. Default 0:0. */
  readonly owner?: FileOwner | undefined
  /** Commit whose SELinux policy labels the layers of an image without a base. */
  readonly sepolicyCommit?: Checksum | undefined
  /** Keep SELinux labels as they are, even if there is a policy. */
  readonly noLabels?: boolean | undefined
  /** Version in the metadata of merge and layer commits. Default DEFAULT_IMPORTER_VERSION. */
  readonly importerVersion?: string | undefined
  /**
   * Returns the time of commits of layers, and of images that have no time of creation, in seconds since the epoch.
   * Default 0.
   */
  readonly now?: (() => number) | undefined
  /** Limits for images from sources that are not trusted. */
  readonly limits?: ImageLimits | undefined
  /**
   * Threads that import layers side by side, such as `layerThreads` of `ostree-ts/node` returns. Results and events do not
   * depend on them. Stores in one file or in memory use them only if their `embedded` is set. Default: none; for the functions of `ostree-ts/node`, those of `layerThreads`.
   */
  readonly threads?: LayerThreads | undefined
  /** How far layers are fetched before they are imported. */
  readonly readAhead?: ReadAheadOptions | undefined
  /**
   * Called with a message for each stored image that cannot be read, and when layers that no image needs were not
   * removed. The import goes on.
   */
  readonly onWarning?: ((message: string) => void) | undefined
}

/** Options with the defaults filled in that several steps of an import need. */
export interface ResolvedImportOptions extends Omit<ImportOptions, 'now'> {
  readonly retainVar: boolean
  readonly importerVersion: string
  readonly now: () => bigint
  readonly limits: ImageLimits
}

/** Version of ostree-ext whose commits an import writes, byte for byte. */
export const DEFAULT_IMPORTER_VERSION = '0.15.3'

/** Fills in the defaults. */
export function resolveImportOptions(options: ImportOptions): ResolvedImportOptions {
  const { retainVar, ostreeVersion, importerVersion = DEFAULT_IMPORTER_VERSION, now = () => 0, limits = {} } = options
  const seconds = () => BigInt(Math.floor(now()))
  return { ...options, retainVar: retainVar ?? retainsVar(ostreeVersion), importerVersion, now: seconds, limits }
}

/** Returns whether an importer with that version of libostree keeps `/var` of derived layers at its path. */
function retainsVar(version: OstreeVersion | undefined): boolean {
  if (version === undefined) return true
  return version.year > 2024 || (version.year === 2024 && version.release >= 3)
}

/** Limits of an import, against malicious images. Each has a default. */
export interface ImageLimits {
  /** Layers of the image. Default `MAX_LAYERS`. */
  readonly maxLayers?: number | undefined
  /** Bytes of the uncompressed tar of one layer. Default MAX_LAYER_BYTES. */
  readonly maxLayerBytes?: number | undefined
  /** Limits of the tar of each layer. */
  readonly tar?: TarLimits | undefined
}
