/**
 * Maps the names of stored images to repositories and tags of a registry:
 *
 *     docker://quay.io/exampleos/os:1     quay.io/exampleos/os     1
 *     docker://localhost:5000/os          localhost_5000/os        latest
 *     oci:/srv/images/os:stable           oci/srv/images/os        stable
 *     docker://quay.io/os@sha256:…        quay.io/os               none: only by its digest
 *
 * A name that is not one of a repository even so, such as one with a space, is not published. Of two images that would
 * get the same name and tag the first in byte order is published.
 *
 * Source: OCI distribution-spec 1.1, "Pulling manifests".
 */

import { parseImageReference } from '../container/index.ts'
import { parseRegistryReference } from '../container/internal.ts'
import { InvalidNameError } from '../errors.ts'

const NAME = /^[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*(?:\/[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*)*$/
const TAG = /^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$/
const MAX_NAME_LENGTH = 255

/** Where a stored image is published. */
export interface PublishedName {
  readonly repository: string
  /** `undefined` for an image that is stored under a digest. */
  readonly tag: string | undefined
}

/** Tells whether a text can name a repository. */
export function isRepositoryName(text: string): boolean {
  return text.length <= MAX_NAME_LENGTH && NAME.test(text)
}

/** Returns where an image is published. `undefined` when its name cannot be one of a repository. */
export function publishedName(image: string): PublishedName | undefined {
  const found = splitName(image)
  if (found === undefined || !isRepositoryName(found.repository)) return undefined
  return found.tag === undefined || TAG.test(found.tag) ? found : undefined
}

function splitName(image: string): PublishedName | undefined {
  try {
    const { transport, name } = parseImageReference(image)
    if (transport === 'registry') {
      const { domain, repository, tag } = parseRegistryReference(name)
      return { repository: `${domain.replace(/:(?=\d+$)/, '_')}/${repository}`, tag }
    }
    const colon = name.indexOf(':', name.lastIndexOf('/') + 1)
    const path = (colon < 0 ? name : name.slice(0, colon)).split('/').filter((part) => part !== '' && part !== '.')
    return { repository: [transport, ...path].join('/'), tag: colon < 0 ? 'latest' : name.slice(colon + 1) }
  } catch (error) {
    if (error instanceof InvalidNameError) return undefined
    throw error
  }
}
