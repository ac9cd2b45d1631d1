/** How an image is imported. Source: ostree-ext, container::store (the setters of ImageImporter). */

import type { Checksum } from '../../bytes.ts'
import type { LocalFiles } from '../../platform/index.ts'
import type { ProgressOptions } from '../../progress.ts'
import type { FileOwner, Verification } from '../../repo/index.ts'
import type { TarLimits } from '../../tar/index.ts'
import type { MetadataPolicy } from '../layers/flatten.ts'
import type { HostPlatform } from '../oci/oci-types.ts'
import type { ImageReference, OstreeImageReference } from '../oci/reference.ts'
import type { HostPolicy } from '../policy/policy-check.ts'
import type { RegistryOptions, TransportContext } from '../registry/options.ts'
import type { ImageSource } from '../transport/interface.ts'
import type { ImportListeners } from './import-progress.ts'
import type { ReadAheadOptions } from './read-ahead.ts'

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
  /** Whom `ostree-remote-image:` trusts. Without it such references are refused. */
  readonly verification?: Verification | undefined
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
  /** Refuse an image whose label `ostree.commit` does not name the commit it holds; else nobody compares the two. */
  readonly verifyCommitLabel?: boolean | undefined
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
  readonly owner?: FileOwner | undefined
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

/** Whether `/var` of layers stays where it is. */
export function keepsVar(version: OstreeVersion | undefined): boolean {
  if (version === undefined) return true
  return version.year > 2024 || (version.year === 2024 && version.release >= 3)
}

/** Layers of one image. Linux stacks 500 at most, container builders 128. */
export const MAX_LAYERS = 1000

/** Ceilings of an import, against images that mean harm. Each has a default. */
export interface ImageLimits {
  /** Default MAX_LAYERS. */
  readonly maxLayers?: number | undefined
  /** Bytes of the uncompressed tar of one layer. Default MAX_LAYER_BYTES. */
  readonly maxLayerBytes?: number | undefined
  /** Of the tar of each layer: entries, bytes of one file, bytes of one extension header. */
  readonly tar?: TarLimits | undefined
}
