/**
 * Reads an image from a registry. A tag is looked up once. Everything else is requested by digest, so a tag that moves
 * during the download has no effect.
 *
 * Source: OCI distribution-spec 1.1, "Pull"; containers/image, package `docker`.
 */
import { readAll } from '../../bytes.ts'
import { LimitError, withContext } from '../../errors.ts'
import { digestChecksum } from '../oci/digest.ts'
import { MAX_MANIFEST_SIZE } from '../oci/manifest.ts'
import {
  DOCKER_LIST,
  DOCKER_MANIFEST,
  DOCKER_SCHEMA1,
  DOCKER_SCHEMA1_SIGNED,
  OCI_INDEX,
  OCI_MANIFEST,
} from '../oci/media-types.ts'
import { formatRegistryReference, parseRegistryReference } from '../oci/registry-reference.ts'
import type { ImageSource } from '../transport/interface.ts'
import { type BlobReader, openManifest, verifyBytes, verifyDigest } from '../transport/manifest-source.ts'
import { RegistryClient } from './client.ts'
import { downloadBlob, firstOf, isHtml } from './download.ts'
import { endpointsOf } from './endpoints.ts'
import { RegistryError } from './errors.ts'
import type { TransportContext } from './options.ts'
import { clientOptions } from './options.ts'
import { withRetries } from './retry.ts'

/**
 * Media types of manifests. Schema 1 is not supported, but is requested too: an image that has only such a manifest
 * then fails with an error about its type instead of "not found".
 */
const ACCEPT = [OCI_MANIFEST, DOCKER_MANIFEST, OCI_INDEX, DOCKER_LIST, DOCKER_SCHEMA1_SIGNED, DOCKER_SCHEMA1].join(', ')

/**
 * Opens an image in a registry for reading.
 * @param name the part of a reference after `docker://`
 * @throws {RegistryError} when the registry does not answer or refuses; {DeniedError} when a rule blocks the registry
 * @throws {UnsupportedError} when `context` has no registry options; as `openManifest`
 */
export async function openRegistryImage(name: string, context: TransportContext): Promise<ImageSource> {
  const { registry, platform, signal } = context
  const reference = parseRegistryReference(name)
  const closing = new AbortController()
  const ends = signal === undefined ? closing.signal : AbortSignal.any([signal, closing.signal])
  const options = clientOptions(registry, ends)
  const clients = endpointsOf(reference, registry?.registries, registry?.insecure).map(
    (endpoint) => new RegistryClient(endpoint, 'pull', options),
  )
  if (reference.digest !== undefined) digestChecksum(reference.digest)
  try {
    const wanted = reference.digest ?? reference.tag ?? 'latest'
    const { client, value } = await firstOf(clients, async (from) => {
      const document = await readManifest(from, wanted)
      if (reference.digest !== undefined) verifyDigest(platform, document.bytes, reference.digest)
      return document
    })
    // Blobs are requested first from the host that has the manifest, and from the others if that fails.
    const order = [client, ...clients.filter((other) => other !== client)]
    const reader: BlobReader = {
      manifest: async (descriptor) => {
        const found = await firstOf(order, async (from) => {
          const { bytes } = await readManifest(from, descriptor.digest)
          verifyBytes(platform, bytes, descriptor)
          return bytes
        })
        return found.value
      },
      config: (config, limit) => {
        const tooLarge = () => new LimitError(`config ${config.digest}`, limit)
        if (config.size > limit) throw tooLarge()
        return readAll(downloadBlob(order, config), limit, tooLarge)
      },
      blob: (blob) => downloadBlob(order, blob),
      close: () => closing.abort(),
      givesPlainLayers: false,
    }
    return await openManifest(reader, value.bytes, value.mediaType, context)
  } catch (error) {
    closing.abort()
    // An error of the registry itself already names the image.
    const named = error instanceof RegistryError && error.data.registry === reference.domain
    throw named ? error : withContext(`docker://${formatRegistryReference(reference)}`, error)
  }
}

/** Reads a manifest by tag or digest, with retries, also when the answer breaks off. */
function readManifest(client: RegistryClient, what: string) {
  const request = {
    method: 'GET',
    path: `/manifests/${what}`,
    what,
    headers: { accept: ACCEPT },
    expect: [200],
  } as const
  return withRetries(client.retry, async () => {
    const answer = await client.once(request)
    if (isHtml(answer)) {
      answer.discard()
      throw new RegistryError('network', client.place(what), 'the answer is a web page, not a manifest')
    }
    const mediaType = answer.header('content-type') ?? undefined
    return { bytes: await answer.read(MAX_MANIFEST_SIZE), mediaType }
  })
}
