/**
 * Assigns the files of a commit to components, such as packages, with data on how often these change.
 *
 * Source: ostree-ext, objectsource.rs and chunking.rs (ObjectMetaSized).
 */

import { type Checksum, compareUtf8 } from '../../bytes.ts'
import { FormatError } from '../../errors.ts'
import type { Repo } from '../../repo/index.ts'

/** Change frequency of a component that changes in every build, or whose frequency is not known. */
export const MAX_CHANGE_FREQUENCY = 0xffff_ffff

/** A component that files of a commit belong to, such as a package. `identifier` tells it from others. */
export interface ObjectSourceMeta {
  /** Name, version and architecture, for example. */
  readonly identifier: string
  /** Name that does not change from build to build. */
  readonly name: string
  /** Identifier of the source package. */
  readonly srcid: string
  /** Hours between the oldest change of any component and the last one of this. */
  readonly changeTimeOffset: number
  /** Change frequency: greater numbers mean more often; at most `MAX_CHANGE_FREQUENCY`. */
  readonly changeFrequency: number
}

/** A component with the size of its files. */
export interface ObjectSourceMetaSized extends ObjectSourceMeta {
  /** Bytes of content of its files. */
  readonly size: number
}

/** Components by identifier, and the identifier of each file. */
export interface ObjectMeta {
  readonly set: ReadonlyMap<string, ObjectSourceMeta>
  /** Identifier of the component, by checksum of the file object, in the order of the checksums. */
  readonly map: ReadonlyMap<Checksum, string>
}

/** An `ObjectMeta` with the size of each component, the largest first. */
export interface ObjectMetaSized {
  readonly map: ReadonlyMap<Checksum, string>
  readonly sizes: readonly ObjectSourceMetaSized[]
}

/**
 * Adds up the files of each component. Components without files are left out.
 * @throws {FormatError} when a file belongs to a component that is not in the set; {ObjectNotFoundError}
 */
export async function computeSizes(repo: Repo, meta: ObjectMeta): Promise<ObjectMetaSized> {
  const bytes = new Map<string, number>()
  for (const [checksum, identifier] of meta.map) {
    const { size } = await repo.objects.statFile(checksum)
    bytes.set(identifier, (bytes.get(identifier) ?? 0) + size)
  }
  const sizes: ObjectSourceMetaSized[] = []
  for (const [identifier, size] of bytes) {
    const component = meta.set.get(identifier)
    if (component === undefined) throw new FormatError('content set', `Failed to find ${identifier} in content set`)
    sizes.push({ ...component, size })
  }
  sizes.sort((a, b) => b.size - a.size || compareUtf8(a.identifier, b.identifier))
  return { map: meta.map, sizes }
}
