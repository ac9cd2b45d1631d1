/**
 * Serves stored images as a registry, read-only:
 *
 *     /v2/                               version check
 *     /v2/_catalog                       repositories
 *     /v2/NAME/tags/list                 tags
 *     /v2/NAME/manifests/TAG|DIGEST      manifests
 *     /v2/NAME/blobs/DIGEST              configs and layers
 *     /v2/NAME/referrers/DIGEST          an empty index: no referrers are stored
 *
 * Source: OCI distribution-spec 1.1; `_catalog`: Docker Registry HTTP API V2.
 */

import { encodeUtf8 } from '../bytes.ts'
import { listImages } from '../container/index.ts'
import { NotFoundError, UnsupportedError } from '../errors.ts'
import type { HttpHandler, HttpRequest, HttpResponse } from '../platform/index.ts'
import type { Repo } from '../repo/index.ts'
import { type ExportedImage, ImageExports, type ServedBlob } from './image-export.ts'
import { isRepositoryName, publishedName } from './image-names.ts'
import { pathOf } from './repo-handler.ts'
import { fileResponse } from './respond.ts'

/** How stored images are served. */
export interface ServeImagesOptions {
  /**
   * Serve an image whose original bytes cannot be made as a new image, with the digests that `exportToOci` gives. Default
   * false: requests for it fail, with a message that says why.
   */
  readonly reexport?: boolean | undefined
  /** Aborting it gives the scratch space back. Without it that stays in use as long as the process runs. */
  readonly signal?: AbortSignal | undefined
  /** Called with each error of the repository, after which the response has status 500. */
  readonly onError?: ((error: unknown, request: HttpRequest) => void) | undefined
}

const VERSION = { 'docker-distribution-api-version': 'registry/2.0' }
const OCI_INDEX = 'application/vnd.oci.image.index.v1+json'
const DIGEST = /^[a-z0-9]+(?:[.+_-][a-z0-9]+)*:[A-Za-z0-9=_-]{32,256}$/
/** Entries of one page of a list, at most. */
const MAX_PAGE = 1000

/** The images of a repository, by their tags. */
interface PublishedImages {
  /** The names of the images by tag. */
  readonly tags: Map<string, string>
  /** The names of all images, also those without a tag. */
  readonly images: string[]
}

/**
 * Returns a handler that publishes the stored images of a repository as a registry, at `/v2/`. A stored image
 * `docker://quay.io/exampleos/os:1` is tag `1` of the repository `quay.io/exampleos/os`, and one of another transport, such
 * as `oci:/srv/os:1`, tag `1` of `oci/srv/os`.
 *
 * The layers are written again from the files that are stored, into scratch space, when an image is requested the first
 * time. An image is served only with its original digests, which can be made of images that encapsulate a commit.
 *
 * @example
 * const server = await listen(serveImages(repo), { port: 5000 })
 * // skopeo copy --src-tls-verify=false docker://127.0.0.1:5000/quay.io/exampleos/os:1 oci:os
 */
export function serveImages(repo: Repo, options: ServeImagesOptions = {}): HttpHandler {
  const { reexport = false, signal, onError } = options
  const exports = new ImageExports(repo, reexport)
  signal?.addEventListener('abort', () => exports.close(), { once: true })
  const registry = new ImageRegistry(repo, exports)
  return async (request) => {
    try {
      return await registry.answer(request)
    } catch (error) {
      if (error instanceof RegistryFault) return error.response()
      onError?.(error, request)
      return new RegistryFault(500, 'UNKNOWN', 'Internal server error').response()
    }
  }
}

/** A response with an error, as registries send it. */
class RegistryFault extends Error {
  readonly #status: number
  readonly #code: string

  constructor(status: number, code: string, message: string) {
    super(message)
    this.#status = status
    this.#code = code
  }

  response(): HttpResponse {
    const { message } = this
    return json(this.#status, { errors: [{ code: this.#code, message, detail: {} }] })
  }
}

class ImageRegistry {
  readonly #repo: Repo
  readonly #exports: ImageExports

  constructor(repo: Repo, exports: ImageExports) {
    this.#repo = repo
    this.#exports = exports
  }

  async answer(request: HttpRequest): Promise<HttpResponse> {
    if (request.method !== 'GET' && request.method !== 'HEAD') {
      throw new RegistryFault(405, 'UNSUPPORTED', 'The registry is read-only')
    }
    const path = pathOf(request.target)
    if (path === '/v2') return json(200, {})
    if (path === undefined || !path.startsWith('/v2/')) throw new RegistryFault(404, 'NOT_FOUND', 'No such page')
    const rest = path.slice('/v2/'.length)
    if (rest === '_catalog') return this.#catalog(request)
    const [, name = '', kind = '', last = ''] = /^(.+)\/(tags|manifests|blobs|referrers)\/([^/]+)$/.exec(rest) ?? []
    if (!isRepositoryName(name)) throw new RegistryFault(404, 'NAME_INVALID', 'Invalid repository name')
    const published = (await this.#published()).get(name)
    if (published === undefined) throw new RegistryFault(404, 'NAME_UNKNOWN', `Repository ${name} is not known`)
    if (kind === 'tags' && last === 'list') {
      return page(request, { name }, 'tags', [...published.tags.keys()])
    }
    if (kind === 'manifests') return this.#manifest(request, published, last)
    if (kind !== 'blobs' && kind !== 'referrers') throw new RegistryFault(404, 'NOT_FOUND', 'No such page')
    if (!DIGEST.test(last)) throw new RegistryFault(400, 'DIGEST_INVALID', 'Invalid digest')
    if (kind === 'blobs') return this.#blob(request, published, last)
    const index = { schemaVersion: 2, mediaType: OCI_INDEX, manifests: [] }
    return json(200, index, { 'content-type': OCI_INDEX })
  }

  async #catalog(request: HttpRequest): Promise<HttpResponse> {
    return page(request, {}, 'repositories', [...(await this.#published()).keys()])
  }

  async #published(): Promise<Map<string, PublishedImages>> {
    const found = new Map<string, PublishedImages>()
    for (const image of await listImages(this.#repo, () => {})) {
      const name = publishedName(image)
      if (name === undefined) continue
      const published: PublishedImages = found.get(name.repository) ?? { tags: new Map(), images: [] }
      found.set(name.repository, published)
      if (name.tag !== undefined) {
        if (published.tags.has(name.tag)) continue
        published.tags.set(name.tag, image)
      }
      published.images.push(image)
    }
    return found
  }

  async #manifest(request: HttpRequest, { tags, images }: PublishedImages, wanted: string): Promise<HttpResponse> {
    if (wanted.includes(':')) {
      if (!DIGEST.test(wanted)) throw new RegistryFault(400, 'DIGEST_INVALID', 'Invalid digest')
      for (const image of images) {
        if (!this.#exports.changesDigests && (await this.#exports.state(image)).manifestDigest !== wanted) continue
        const exported = await this.#exported(image)
        if (exported.manifest.digest === wanted) return blobResponse(request, exported, exported.manifest)
      }
    } else {
      const image = tags.get(wanted)
      if (image !== undefined) {
        const exported = await this.#exported(image)
        return blobResponse(request, exported, exported.manifest, false)
      }
    }
    throw new RegistryFault(404, 'MANIFEST_UNKNOWN', `Manifest ${wanted.slice(0, 200)} is not known`)
  }

  async #blob(request: HttpRequest, { images }: PublishedImages, digest: string): Promise<HttpResponse> {
    for (const image of images) {
      if (!this.#exports.changesDigests) {
        const { manifest } = await this.#exports.state(image)
        if (![manifest.config, ...manifest.layers].some((blob) => blob.digest === digest)) continue
      }
      const exported = await this.#exported(image)
      const blob = exported.blobs.get(digest)
      if (blob !== undefined) return blobResponse(request, exported, blob)
    }
    throw new RegistryFault(404, 'BLOB_UNKNOWN', `Blob ${digest} is not known`)
  }

  async #exported(image: string): Promise<ExportedImage> {
    try {
      return await this.#exports.get(image)
    } catch (error) {
      if (error instanceof UnsupportedError) throw new RegistryFault(404, 'MANIFEST_UNKNOWN', error.message)
      // Removed since the images were listed.
      if (error instanceof NotFoundError) throw new RegistryFault(404, 'MANIFEST_UNKNOWN', error.message)
      throw error
    }
  }
}

/** @param immutable whether the path names the digest */
async function blobResponse(
  request: HttpRequest,
  image: ExportedImage,
  blob: ServedBlob,
  immutable = true,
): Promise<HttpResponse> {
  const { size } = blob.access
  const response = await fileResponse(request, {
    tag: blob.digest,
    immutable,
    type: blob.mediaType,
    size,
    content: ({ start, end } = { start: 0, end: size }) => image.read(blob, start, end),
  })
  return { ...response, headers: { ...response.headers, ...VERSION, 'docker-content-digest': blob.digest } }
}

/** Answers with a part of a list: at most `n` entries, after the entry `last`. */
function page(request: HttpRequest, fields: object, key: string, entries: readonly string[]): HttpResponse {
  const query = new URLSearchParams(request.target.split('?').slice(1).join('?'))
  const asked = query.get('n')
  if (asked !== null && !/^\d{1,9}$/.test(asked)) {
    throw new RegistryFault(400, 'PAGINATION_NUMBER_INVALID', 'Invalid number of entries')
  }
  const count = Math.min(asked === null ? MAX_PAGE : Number(asked), MAX_PAGE)
  const last = query.get('last')
  const sorted = [...entries].sort()
  const from = last === null ? 0 : sorted.findIndex((entry) => entry > last)
  const listed = from < 0 ? [] : sorted.slice(from, from + count)
  const end = listed.at(-1)
  const more = end !== undefined && end !== sorted.at(-1)
  const path = request.target.split('?', 1)[0]
  const link = { link: `<${path}?n=${count}&last=${encodeURIComponent(end ?? '')}>; rel="next"` }
  return json(200, { ...fields, [key]: listed }, more ? link : {})
}

function json(status: number, value: object, headers: Readonly<Record<string, string>> = {}): HttpResponse {
  const body = encodeUtf8(JSON.stringify(value))
  return {
    status,
    headers: { 'content-type': 'application/json', 'content-length': String(body.length), ...VERSION, ...headers },
    body,
  }
}
