/**
 * The OCI documents as values, after normalisation: what is kept is what ends up in commit metadata.
 * Source: OCI image-spec 1.1 (manifest, config, descriptor).
 */

declare const brand: unique symbol

/** `sha256:<hex>` naming a blob as stored (compressed). */
export type Digest = string & { readonly [brand]: 'Digest' }
/** `sha256:<hex>` of the uncompressed layer tar. */
export type DiffId = string

export interface Descriptor {
  readonly mediaType: string
  readonly digest: Digest
  /** Bytes. */
  readonly size: number
  readonly urls?: readonly string[]
  readonly annotations?: Readonly<Record<string, string>>
  readonly platform?: Readonly<Record<string, unknown>>
  readonly artifactType?: string
  readonly data?: string
}

/** A blob as stored: the two members of a descriptor that follow from its bytes. */
export interface StoredBlob {
  readonly digest: Digest
  /** Bytes. */
  readonly size: number
}

export interface ImageManifest {
  readonly schemaVersion: number
  readonly mediaType?: string
  readonly artifactType?: string
  readonly config: Descriptor
  readonly layers: readonly Descriptor[]
  readonly subject?: Descriptor
  readonly annotations?: Readonly<Record<string, string>>
}

export interface HistoryEntry {
  readonly created?: string
  readonly author?: string
  readonly created_by?: string
  readonly comment?: string
  readonly empty_layer?: boolean
}

export interface ContainerConfig {
  readonly User?: string
  readonly ExposedPorts?: Readonly<Record<string, object>>
  readonly Env?: readonly string[]
  readonly Entrypoint?: readonly string[]
  readonly Cmd?: readonly string[]
  readonly Volumes?: Readonly<Record<string, object>>
  readonly WorkingDir?: string
  readonly Labels?: Readonly<Record<string, string>>
  readonly StopSignal?: string
}

export interface ImageConfiguration {
  readonly created?: string
  readonly author?: string
  readonly architecture: string
  readonly os: string
  readonly 'os.version'?: string
  readonly 'os.features'?: readonly string[]
  readonly variant?: string
  readonly config?: ContainerConfig
  readonly rootfs: { readonly type: string; readonly diff_ids: readonly DiffId[] }
  readonly history?: readonly HistoryEntry[]
}

/** What the host runs, in the names Go has for it: `amd64`, `linux`. */
export interface HostPlatform {
  readonly architecture: string
  readonly os: string
  readonly variant?: string
}
