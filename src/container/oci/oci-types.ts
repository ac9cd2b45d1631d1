/**
 * The OCI documents as values, after normalisation. The fields are those that commit metadata keeps.
 * Source: OCI image-spec 1.1 (manifest, config, descriptor).
 */

declare const brand: unique symbol

/** Digest of a blob as stored, which is compressed: `sha256:` and 64 lower-case hexadecimal digits. */
export type Digest = string & { readonly [brand]: 'Digest' }
/** Digest of a layer's uncompressed tar: `sha256:` and 64 lower-case hexadecimal digits. */
export type DiffId = string

/** Names a blob by its digest, with its size and media type. Source: OCI image-spec 1.1, descriptor.md. */
export interface Descriptor {
  readonly mediaType: string
  readonly digest: Digest
  /** Size of the blob in bytes. */
  readonly size: number
  readonly urls?: readonly string[]
  readonly annotations?: Readonly<Record<string, string>>
  readonly platform?: Readonly<Record<string, unknown>>
  readonly artifactType?: string
  readonly data?: string
}

/** Digest and size of a blob as stored. */
export interface StoredBlob {
  readonly digest: Digest
  /** Size in bytes. */
  readonly size: number
}

/**
 * The manifest of an image for one platform: its config and its layers, lowest first. Source: OCI image-spec 1.1,
 * manifest.md.
 */
export interface ImageManifest {
  readonly schemaVersion: number
  readonly mediaType?: string
  readonly artifactType?: string
  readonly config: Descriptor
  readonly layers: readonly Descriptor[]
  readonly subject?: Descriptor
  readonly annotations?: Readonly<Record<string, string>>
}

/** How a layer came to be. Source: OCI image-spec 1.1, config.md, `history`. */
export interface HistoryEntry {
  readonly created?: string
  readonly author?: string
  readonly created_by?: string
  readonly comment?: string
  readonly empty_layer?: boolean
}

/** How a container of the image runs. Source: OCI image-spec 1.1, config.md, `config`. */
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

/**
 * The config of an image: its platform, its diff ids, and how a container of it runs. Source: OCI image-spec 1.1,
 * config.md.
 */
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

/** The platform whose image is chosen where there are several, in the names that Go has for it: `amd64`, `linux`. */
export interface HostPlatform {
  readonly architecture: string
  readonly os: string
  readonly variant?: string
}
