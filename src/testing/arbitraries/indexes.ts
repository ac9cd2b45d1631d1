/** fast-check generators of image indexes: images for several platforms, with attestations, and artifacts that refer to them. */

import fc from 'fast-check'
import { encodeUtf8 } from '../../bytes.ts'
import type { HostPlatform } from '../../container/index.ts'
import type { Platform } from '../../platform/index.ts'
import { packFiles } from '../image-builder.ts'
import { block, printedAs } from '../printing.ts'

/** An entry of an index. */
export interface IndexEntry {
  /** `attestation`: a manifest for `unknown/unknown`, as BuildKit writes it. */
  readonly kind: 'image' | 'attestation'
  /** `undefined`: the entry does not have a platform. */
  readonly platform: HostPlatform | undefined
  /** Attestations: number of the entry that they are about. */
  readonly about: number | undefined
}

/** An artifact whose manifest has a `subject`: a signature, an SBOM. */
export interface ArtifactSample {
  readonly artifactType: string
  /** `config`: the type is the media type of the config, as artifacts before OCI 1.1 have it. */
  readonly typeIn: 'artifactType' | 'config'
  /** Number of the entry of the index that it refers to; `index`: the index itself. */
  readonly subject: number | 'index'
  readonly annotations: Readonly<Record<string, string>> | undefined
  readonly content: string
}

/** An index as values; `packIndex` encodes it. */
export interface IndexSample {
  readonly entries: readonly IndexEntry[]
  readonly artifacts: readonly ArtifactSample[]
  /** A manifest list of Docker in place of an OCI index. */
  readonly docker: boolean
}

/** Options of `anyIndex`. */
export interface IndexOptions {
  /** Default 5; there is at least one image. */
  readonly maxImages?: number
  /** Default 3. */
  readonly maxArtifacts?: number
  /** Manifest lists of Docker. Default true. */
  readonly docker?: boolean
}

/** An encoded document with what a descriptor says of it. */
export interface PackedDocument {
  readonly mediaType: string
  readonly digest: string
  readonly bytes: Uint8Array
}

/** An encoded index. */
export interface PackedIndex {
  readonly index: PackedDocument
  /** Manifests of the entries, in their order. */
  readonly entries: readonly PackedDocument[]
  /** Manifests of the artifacts, in their order. Equal ones are one document. */
  readonly artifacts: readonly PackedDocument[]
  /** Configs and layers by digest. */
  readonly blobs: ReadonlyMap<string, Uint8Array>
}

const ARM: readonly (string | undefined)[] = [undefined, 'v5', 'v6', 'v7', 'v8']
const PLATFORMS: readonly HostPlatform[] = [
  { architecture: 'amd64', os: 'linux' },
  ...ARM.map((variant) => ({ architecture: 'arm', os: 'linux', ...(variant !== undefined && { variant }) })),
  { architecture: 'arm64', os: 'linux' },
  { architecture: 'arm64', os: 'linux', variant: 'v8' },
  { architecture: 'amd64', os: 'linux', variant: 'v3' },
  { architecture: 'amd64', os: 'windows' },
]
const UNKNOWN: HostPlatform = { architecture: 'unknown', os: 'unknown' }

/** Generates a host, of the same platforms as the images of `anyIndex`. */
export const anyHost: fc.Arbitrary<HostPlatform> = fc.constantFrom(...PLATFORMS)

const anyArtifact = fc.record({
  artifactType: fc.constantFrom('application/spdx+json', 'application/vnd.example.signature', 'text/plain'),
  typeIn: fc.constantFrom('artifactType' as const, 'config' as const),
  subject: fc.oneof(fc.constant('index' as const), fc.nat()),
  annotations: fc.constantFrom(undefined, { 'org.example.a': '1' }, { b: '', a: 'ü' }),
  content: fc.constantFrom('', 'x', 'sbom'),
})

/**
 * Generates indexes of images for few platforms, so that several entries often match a host, with attestations between
 * them, and artifacts that refer to entries or to the index. They shrink to an index of one image.
 */
export function anyIndex({
  maxImages = 5,
  maxArtifacts = 3,
  docker = true,
}: IndexOptions = {}): fc.Arbitrary<IndexSample> {
  const image = fc.record({
    platform: fc.option(anyHost, { nil: undefined, freq: 8 }),
    attested: fc.constantFrom(false, false, true),
  })
  return fc
    .record({
      images: fc.array(image, { minLength: 1, maxLength: maxImages }),
      before: fc.boolean(),
      artifacts: fc.array(anyArtifact, { maxLength: maxArtifacts }),
      docker: docker ? fc.constantFrom(false, false, true) : fc.constant(false),
    })
    .map(({ images, before, artifacts, docker }) => {
      const entries: IndexEntry[] = []
      for (const { platform, attested } of images) {
        const about = entries.length + (attested && before ? 1 : 0)
        const attestation: IndexEntry = { kind: 'attestation', platform: UNKNOWN, about }
        const image: IndexEntry = { kind: 'image', platform, about: undefined }
        if (attested && before) entries.push(attestation)
        entries.push(image)
        if (attested && !before) entries.push(attestation)
      }
      const referring = artifacts.map(({ subject, ...rest }): ArtifactSample => {
        return { ...rest, subject: subject === 'index' ? subject : subject % entries.length }
      })
      return printedAs<IndexSample>({ entries, artifacts: referring, docker }, printIndex)
    })
}

function printIndex({ entries, artifacts, docker }: IndexSample): string {
  const lines = entries.map(({ kind, platform, about }, i) => {
    const { os, architecture, variant } = platform ?? {}
    const name = platform === undefined ? 'any platform' : [os, architecture, variant].filter(Boolean).join('/')
    return `${i}: ${kind} for ${name}${about === undefined ? '' : `, about ${about}`}`
  })
  const refer = artifacts.map(({ artifactType, typeIn, subject, annotations, content }) => {
    const of = subject === 'index' ? 'the index' : subject
    const more = annotations === undefined ? '' : ` ${JSON.stringify(annotations)}`
    return `${artifactType} (${typeIn}) of ${of}: ${JSON.stringify(content)}${more}`
  })
  return block([docker ? 'manifest list' : 'index', ...lines, ...refer])
}

const OCI = 'application/vnd.oci'
const DOCKER = 'application/vnd.docker'

/** Encodes an index, the manifests of its entries, which all differ, and those of the artifacts. */
export async function packIndex(platform: Platform, { entries, artifacts, docker }: IndexSample): Promise<PackedIndex> {
  const blobs = new Map<string, Uint8Array>()
  const document = (mediaType: string, bytes: Uint8Array): PackedDocument => {
    return { mediaType, digest: `sha256:${platform.sha256(bytes)}`, bytes }
  }
  const blob = (mediaType: string, bytes: Uint8Array) => {
    const packed = document(mediaType, bytes)
    blobs.set(packed.digest, bytes)
    return described(packed)
  }
  const imageType = docker ? `${DOCKER}.distribution.manifest.v2+json` : `${OCI}.image.manifest.v1+json`
  const configType = docker ? `${DOCKER}.container.image.v1+json` : `${OCI}.image.config.v1+json`
  const layerType = docker ? `${DOCKER}.image.rootfs.diff.tar` : `${OCI}.image.layer.v1.tar`
  const packed: PackedDocument[] = []
  for (const [i, { kind, platform: host }] of entries.entries()) {
    const tar = await packFiles(new Map([['usr/entry', encodeUtf8(String(i))]]))
    const layer = kind === 'image' ? blob(layerType, tar) : blob('application/vnd.in-toto+json', json({ entry: i }))
    const rootfs = { type: 'layers', diff_ids: [layer.digest] }
    const config = blob(configType, json({ ...(host ?? { architecture: 'amd64', os: 'linux' }), rootfs }))
    packed.push(document(imageType, json({ schemaVersion: 2, mediaType: imageType, config, layers: [layer] })))
  }
  const manifests = entries.map(({ platform, about }, i) => {
    const annotations =
      about === undefined
        ? undefined
        : {
            'vnd.docker.reference.type': 'attestation-manifest',
            'vnd.docker.reference.digest': packed[about]?.digest,
          }
    return { ...described(packed[i] as PackedDocument), platform, annotations }
  })
  const indexType = docker ? `${DOCKER}.distribution.manifest.list.v2+json` : `${OCI}.image.index.v1+json`
  const index = document(indexType, json({ schemaVersion: 2, mediaType: indexType, manifests }))
  const referring = artifacts.map(({ artifactType, typeIn, subject, annotations, content }) => {
    const mediaType = `${OCI}.image.manifest.v1+json`
    const empty = encodeUtf8('{}')
    const config = blob(typeIn === 'config' ? artifactType : `${OCI}.empty.v1+json`, empty)
    const layers = [blob('application/octet-stream', encodeUtf8(content))]
    const of = described(subject === 'index' ? index : (packed[subject] as PackedDocument))
    const type = typeIn === 'artifactType' ? { artifactType } : {}
    return document(mediaType, json({ schemaVersion: 2, mediaType, ...type, config, layers, subject: of, annotations }))
  })
  return { index, entries: packed, artifacts: referring, blobs }
}

function described({ mediaType, digest, bytes }: PackedDocument) {
  return { mediaType, digest, size: bytes.length }
}

function json(value: object): Uint8Array {
  return encodeUtf8(JSON.stringify(value))
}
