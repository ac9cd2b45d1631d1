/**
 * Builds container images for tests. The result maps paths to files, which can be opened in memory, written to a
 * directory, or packed.
 *
 * ```ts
 * const layers = [await compressLayer(platform, await packLayer([{ path: 'usr/hello', body }]), 'gzip')]
 * const layout = buildImage(platform, layers, { tag: 'latest' })    // an OCI layout: `openMemoryLayout`, `oci:`
 * const archive = await packFiles(layout)                           // `oci-archive:`
 * ```
 */
import { encodeUtf8, readAll } from '../bytes.ts'
import type { Platform } from '../platform/index.ts'
import { packTar } from '../tar/index.ts'

/** A layer of an image to build. */
export interface LayerFields {
  /** The uncompressed tar. */
  readonly tar: Uint8Array
  /** The layer as stored. Default: the uncompressed tar. */
  readonly blob?: Uint8Array | undefined
  /** Default: that of an uncompressed tar. */
  readonly mediaType?: string | undefined
  /** Stored instead of the blob, to build broken images; `null` stores nothing. */
  readonly found?: Uint8Array | null | undefined
}

/** Names and metadata of an image to build. */
export interface ImageFields {
  readonly tag?: string | undefined
  /** Default: amd64. */
  readonly architecture?: string | undefined
  /** The member `config` of the image config: labels, command and the like. */
  readonly config?: object | undefined
  readonly created?: string | undefined
  /** Annotations of the manifest. */
  readonly annotations?: Readonly<Record<string, string>> | undefined
}

const PREFIX = 'application/vnd.oci.image'

interface StoredBlob {
  readonly mediaType: string
  readonly digest: string
  readonly size: number
}

/** @param put called with every blob to store, the manifest last. @returns the descriptor of the manifest */
function describeImage(
  platform: Platform,
  layers: readonly LayerFields[],
  { architecture = 'amd64', config, created, annotations }: ImageFields,
  put: (checksum: string, bytes: Uint8Array) => void,
): StoredBlob {
  const store = (mediaType: string, bytes: Uint8Array, found: Uint8Array | null = bytes): StoredBlob => {
    const checksum = platform.sha256(bytes)
    if (found !== null) put(checksum, found)
    return { mediaType, digest: `sha256:${checksum}`, size: bytes.length }
  }
  const stored = layers.map(({ tar, blob = tar, mediaType = `${PREFIX}.layer.v1.tar`, found }) =>
    store(mediaType, blob, found),
  )
  const image = store(`${PREFIX}.config.v1+json`, configOf(platform, layers, { architecture, config, created }))
  const manifestType = `${PREFIX}.manifest.v1+json`
  const manifest = { schemaVersion: 2, mediaType: manifestType, config: image, layers: stored, annotations }
  return store(manifestType, json(manifest))
}

/** Builds an OCI layout. @returns `oci-layout`, `index.json` and the blobs, by path */
export function buildImage(
  platform: Platform,
  layers: readonly LayerFields[],
  fields: ImageFields = {},
): Map<string, Uint8Array> {
  const files = new Map<string, Uint8Array>()
  const manifest = describeImage(platform, layers, fields, (checksum, bytes) =>
    files.set(`blobs/sha256/${checksum}`, bytes),
  )
  const { tag } = fields
  const named = tag === undefined ? {} : { annotations: { 'org.opencontainers.image.ref.name': tag } }
  files.set('oci-layout', json({ imageLayoutVersion: '1.0.0' }))
  files.set('index.json', json({ schemaVersion: 2, manifests: [{ ...manifest, ...named }] }))
  return files
}

/** Builds an image for the transport `dir:`. @returns `version`, `manifest.json` and the blobs, by path */
export function buildDirectoryImage(
  platform: Platform,
  layers: readonly LayerFields[],
  fields: ImageFields = {},
): Map<string, Uint8Array> {
  const files = new Map<string, Uint8Array>()
  let last = ''
  describeImage(platform, layers, fields, (checksum, bytes) => {
    files.set(checksum, bytes)
    last = checksum
  })
  files.set('version', encodeUtf8('Directory Transport Version: 1.1\n'))
  files.set('manifest.json', files.get(last) ?? new Uint8Array(0))
  files.delete(last)
  return files
}

/**
 * Builds the files that `docker save` packs. The layers are not compressed, and found by name instead of digest.
 * @returns `manifest.json`, the config and the layers, by path
 */
export function buildDockerImage(
  platform: Platform,
  layers: readonly LayerFields[],
  fields: ImageFields = {},
): Map<string, Uint8Array> {
  const config = configOf(platform, layers, { architecture: 'amd64', ...fields })
  const configName = `${platform.sha256(config)}.json`
  const files = new Map([[configName, config]])
  const names = layers.map(({ tar, found = tar }) => {
    const name = `${platform.sha256(tar)}.tar`
    if (found !== null) files.set(name, found)
    return name
  })
  const tags = fields.tag === undefined ? [] : [fields.tag]
  files.set('manifest.json', json([{ Config: configName, RepoTags: tags, Layers: names }]))
  return files
}

/**
 * Packs files into a tar: makes an `oci-archive:` of a `buildImage` result, a `docker-archive:` of a `buildDockerImage`
 * result.
 */
export function packFiles(files: ReadonlyMap<string, Uint8Array>): Promise<Uint8Array> {
  return readAll(packTar([...files].map(([path, body]) => ({ path, body }))))
}

function configOf(
  platform: Platform,
  layers: readonly LayerFields[],
  { architecture, config, created }: ImageFields,
): Uint8Array {
  const diffIds = layers.map(({ tar }) => `sha256:${platform.sha256(tar)}`)
  return json({ created, architecture, os: 'linux', config, rootfs: { type: 'layers', diff_ids: diffIds } })
}

function json(value: object): Uint8Array {
  return encodeUtf8(JSON.stringify(value))
}
