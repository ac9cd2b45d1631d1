/**
 * Images in a line: layers in, the files of an OCI layout out, as a map for memory or to be written to a directory.
 *
 * ```ts
 * const files = buildImage(platform, [{ tar, blob: gzipped, mediaType: OCI_LAYER_GZIP }], { tag: 'latest' })
 * ```
 */
import { encodeUtf8 } from '../bytes.ts'
import type { Platform } from '../platform/index.ts'

export interface LayerFields {
  /** The plain tar. */
  readonly tar: Uint8Array
  /** As stored. Default: the plain tar. */
  readonly blob?: Uint8Array | undefined
  /** Default: that of a plain tar. */
  readonly mediaType?: string | undefined
}

export interface ImageFields {
  readonly tag?: string | undefined
  readonly architecture?: string | undefined
  /** The member `config` of the config: labels, command. */
  readonly config?: object | undefined
  readonly created?: string | undefined
  readonly annotations?: Readonly<Record<string, string>> | undefined
}

const PREFIX = 'application/vnd.oci.image'

/** @returns `oci-layout`, `index.json` and the blobs, by path */
export function buildImage(
  platform: Platform,
  layers: readonly LayerFields[],
  { tag, architecture = 'amd64', config, created, annotations }: ImageFields = {},
): Map<string, Uint8Array> {
  const files = new Map<string, Uint8Array>()
  const store = (mediaType: string, bytes: Uint8Array) => {
    const checksum = platform.sha256(bytes)
    files.set(`blobs/sha256/${checksum}`, bytes)
    return { mediaType, digest: `sha256:${checksum}`, size: bytes.length }
  }
  const json = (value: object) => encodeUtf8(JSON.stringify(value))
  const diffIds = layers.map(({ tar }) => `sha256:${platform.sha256(tar)}`)
  const rootfs = { type: 'layers', diff_ids: diffIds }
  const stored = layers.map(({ tar, blob = tar, mediaType = `${PREFIX}.layer.v1.tar` }) => store(mediaType, blob))
  const image = store(`${PREFIX}.config.v1+json`, json({ created, architecture, os: 'linux', config, rootfs }))
  const manifestType = `${PREFIX}.manifest.v1+json`
  const manifest = { schemaVersion: 2, mediaType: manifestType, config: image, layers: stored, annotations }
  const named = tag === undefined ? {} : { annotations: { 'org.opencontainers.image.ref.name': tag } }
  const manifests = [{ ...store(manifestType, json(manifest)), ...named }]
  files.set('oci-layout', json({ imageLayoutVersion: '1.0.0' }))
  files.set('index.json', json({ schemaVersion: 2, manifests }))
  return files
}
