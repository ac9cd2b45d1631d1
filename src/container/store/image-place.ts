/** Decides whether an image can be stored under a name. */

import { ConflictError, InvalidNameError } from '../../errors.ts'
import { type Repo, validateRefName } from '../../repo/index.ts'
import { formatImageReference, type ImageReference, toImageReference } from '../oci/reference.ts'
import { IMAGE_PREFIX, refForImage } from './names.ts'
import { unprefixUnescapeRef } from './ref-escape.ts'
import { listLocalRefs } from './refs.ts'

/** Bytes of a file name on Linux (NAME_MAX). A part of a ref is the name of a file or directory. */
const MAX_PART = 255

/**
 * Checks, before anything is fetched, that the ref of an image can be written and is listed then. Refs are files and
 * directories, so the name of one cannot be a directory of another's, and each part is a file name.
 * @throws {InvalidNameError} when the ref is not a valid name
 * @throws {ConflictError} naming the image that is in the way
 */
export async function requirePlace(repo: Repo, image: string | ImageReference): Promise<void> {
  const ref = refForImage(image)
  requireValid(image, ref)
  const names = ref.split('/')
  const above = names
    .map((_, i) => names.slice(0, i).join('/'))
    .filter((prefix) => prefix.startsWith(`${IMAGE_PREFIX}/`))
  const below = (await listLocalRefs(repo, ref)).find((other) => other !== ref)
  let inTheWay = below
  for (const prefix of above) inTheWay ??= (await listLocalRefs(repo, prefix)).find((other) => other === prefix)
  if (inTheWay === undefined) return
  const name = formatImageReference(toImageReference(image))
  const other = unprefixUnescapeRef(IMAGE_PREFIX, inTheWay)
  throw new ConflictError(
    name,
    `Cannot store ${name} beside ${other}: one ref name is a prefix of the other; add a tag`,
  )
}

/** @throws {InvalidNameError} when `ref` is not a valid name, which no store lists */
function requireValid(image: string | ImageReference, ref: string): void {
  const name = formatImageReference(toImageReference(image))
  const refused = (why: string) => new InvalidNameError(name, `Cannot store ${name}: ${why}; use another name`)
  const parts = ref.split('/')
  if (parts.some((part) => part.startsWith('-'))) throw refused('no part of a path may begin with "-"')
  // An escaped ref is ASCII.
  const long = parts.find((part) => part.length > MAX_PART)
  if (long !== undefined) throw refused(`part of its ref is ${long.length} bytes long, more than ${MAX_PART}`)
  validateRefName(ref)
}
