/**
 * Parses manifests and indexes, keeps the fields that count, and finds out which of the two a document is:
 *
 *     manifest  schemaVersion mediaType? artifactType? config layers[] subject? annotations?
 *     index     schemaVersion mediaType? manifests[]
 *
 * Source: OCI image-spec 1.1, manifest.md and image-index.md. The fields kept are those of the Rust crate oci-spec,
 * because the manifest in commit metadata was read by that.
 */
import { FormatError, InvalidNameError, UnsupportedError } from '../../errors.ts'
import { parseDigest } from './digest.ts'
import { JsonObject, MAX_MANIFEST_SIZE, parseJsonMembers } from './json.ts'
import {
  DOCKER_CONFIG,
  DOCKER_LIST,
  DOCKER_MANIFEST,
  DOCKER_SCHEMA1,
  DOCKER_SCHEMA1_SIGNED,
  OCI_CONFIG,
  OCI_INDEX,
  OCI_MANIFEST,
} from './media-types.ts'
import type { Descriptor, Digest, ImageManifest } from './oci-types.ts'
import { present } from './present.ts'

export { MAX_MANIFEST_SIZE }

/** Manifests of one image for several platforms. */
export interface ImageIndex {
  readonly schemaVersion: number
  readonly mediaType?: string
  readonly manifests: readonly Descriptor[]
}

const STRICT = { what: 'manifest', anyCase: false }
const STRICT_INDEX = { what: 'image index', anyCase: false }

/**
 * Parses an OCI image manifest, or a Docker image manifest (schema 2), whose media types stay as they are.
 * @throws {FormatError} when the document is not a manifest, is an index as well, or has a malformed digest
 * @throws {LimitError} when the document is too large or nests too deeply
 */
export function parseManifest(bytes: Uint8Array): ImageManifest {
  const members = parseJsonMembers(bytes, STRICT)
  rejectAmbiguous(members.has('manifests'), members.has('config') || members.has('layers'))
  const reader = new JsonObject(members, STRICT.what, STRICT)
  const subject = reader.object('subject')
  return present({
    schemaVersion: reader.required('schemaVersion', reader.integer('schemaVersion')),
    mediaType: reader.string('mediaType'),
    artifactType: reader.string('artifactType'),
    config: readDescriptor(reader.required('config', reader.object('config'))),
    layers: reader.required('layers', reader.objects('layers')).map(readDescriptor),
    subject: subject && readDescriptor(subject),
    annotations: reader.stringMap('annotations'),
  })
}

/** Parses an OCI index or a Docker manifest list. @throws as `parseManifest` */
export function parseIndex(bytes: Uint8Array): ImageIndex {
  const members = parseJsonMembers(bytes, STRICT_INDEX)
  rejectAmbiguous(members.has('manifests'), members.has('config') || members.has('layers'))
  const reader = new JsonObject(members, STRICT_INDEX.what, STRICT_INDEX)
  return present({
    schemaVersion: reader.required('schemaVersion', reader.integer('schemaVersion')),
    mediaType: reader.string('mediaType'),
    manifests: reader.required('manifests', reader.objects('manifests')).map(readIndexEntry),
  })
}

/**
 * Finds the media type of a document, one of the four of manifests and indexes.
 * @param declared the media type that a registry or an index gives; when it is absent or general, the text decides
 * @throws {UnsupportedError} on any other type
 */
export function guessManifestType(bytes: Uint8Array, declared?: string): string {
  const said = declared?.split(';', 1)[0]?.trim().toLowerCase()
  if (said !== undefined && said !== '' && !UNTELLING.has(said)) return supported(said)
  const members = parseJsonMembers(bytes, STRICT)
  const mediaType = members.get('mediaType')
  if (typeof mediaType === 'string' && KNOWN.has(mediaType)) return mediaType
  if (members.get('schemaVersion') === 1) return supported(DOCKER_SCHEMA1)
  const config = members.get('config')
  const configType =
    typeof config === 'object' && config !== null && 'mediaType' in config ? config.mediaType : undefined
  if (configType === OCI_CONFIG) return OCI_MANIFEST
  if (configType === DOCKER_CONFIG) return DOCKER_MANIFEST
  const manifests = members.get('manifests')
  const hasManifests = Array.isArray(manifests) && manifests.length > 0
  return hasManifests && (configType === undefined || configType === '') ? OCI_INDEX : OCI_MANIFEST
}

const KNOWN: ReadonlySet<string> = new Set([OCI_MANIFEST, OCI_INDEX, DOCKER_MANIFEST, DOCKER_LIST])
/** Media types that servers send when they do not know the type. */
const UNTELLING: ReadonlySet<string> = new Set([
  'text/plain',
  'application/json',
  'application/octet-stream',
  'binary/octet-stream',
])

function supported(type: string): string {
  if (KNOWN.has(type)) return type
  if (type === DOCKER_SCHEMA1 || type === DOCKER_SCHEMA1_SIGNED) {
    throw new UnsupportedError('manifest type', `unsupported legacy manifest MIME type: ${type}`)
  }
  throw new UnsupportedError('manifest type', `unsupported manifest MIME type: ${type}`)
}

/** Returns whether a document of a media type lists manifests: an OCI index or a Docker manifest list. */
export function isIndexType(mediaType: string): boolean {
  return mediaType === OCI_INDEX || mediaType === DOCKER_LIST
}

/** Rejects a document that is both a manifest and an index, because readers would disagree about it. */
function rejectAmbiguous(isIndex: boolean, isManifest: boolean): void {
  if (isIndex && isManifest) {
    throw new FormatError('manifest', 'Invalid manifest: has `manifests` and also `config` or `layers`')
  }
}

/** Keeps a platform of any form, so that a malformed entry for another machine is not an error. */
function readIndexEntry(reader: JsonObject): Descriptor {
  const platform = reader.object('platform')
  return present({
    ...readBlobDescriptor(reader),
    platform:
      platform &&
      present({
        architecture: platform.string('architecture') ?? '',
        os: platform.string('os') ?? '',
        variant: platform.string('variant'),
      }),
  })
}

function readDescriptor(reader: JsonObject): Descriptor {
  const platform = reader.object('platform')
  return present({ ...readBlobDescriptor(reader), platform: platform && readPlatform(platform) })
}

function readBlobDescriptor(reader: JsonObject): Descriptor {
  return present({
    mediaType: reader.required('mediaType', reader.string('mediaType')),
    digest: readDigest(reader.required('digest', reader.string('digest'))),
    size: reader.required('size', reader.integer('size')),
    urls: reader.strings('urls'),
    annotations: reader.stringMap('annotations'),
    artifactType: reader.string('artifactType'),
    data: reader.string('data'),
  })
}

function readDigest(text: string): Digest {
  try {
    return parseDigest(text)
  } catch (error) {
    if (!(error instanceof InvalidNameError)) throw error
    throw new FormatError('manifest', `Invalid manifest: ${error.message}`, { cause: error })
  }
}

/** Reads a platform. Fields with a dot in their name, such as `os.version`, are not kept. */
function readPlatform(reader: JsonObject): Record<string, unknown> {
  return present({
    architecture: reader.required('architecture', reader.string('architecture')),
    os: reader.required('os', reader.string('os')),
    os_version: reader.string('os_version'),
    os_features: reader.strings('os_features'),
    variant: reader.string('variant'),
    features: reader.strings('features'),
  })
}
