/**
 * Parses a file that assigns each file of a commit to a layer, for tools that do the packing themselves:
 *
 * ```json
 * { "version": 1, "created": "2020-01-02T03:04:05Z", "labels": { "k": "v" },
 *   "layers": { "bash": "the shell", "unpackaged": "all else" },
 *   "mapping": { "<checksum of a file>": "bash" } }
 * ```
 *
 * Source: ostree-ext, cli.rs (RawMeta, the option --contentmeta).
 */

import type { Checksum } from '../../bytes.ts'
import { FormatError, UnsupportedError } from '../../errors.ts'
import { isChecksum } from '../../objects/index.ts'
import { JsonObject, parseJsonMembers } from '../oci/json.ts'
import { MAX_CHANGE_FREQUENCY, type ObjectMetaSized, type ObjectSourceMetaSized } from './object-meta.ts'

/** Bytes of such a file, enough for a million files of a commit. */
export const MAX_CONTENT_META: number = 128 * 1024 * 1024

const STRICT = { what: 'content metadata', anyCase: false, maxBytes: MAX_CONTENT_META }
const VERSION = 1
/** The layer of files without a package, which counts as one that changes in every build. */
const UNPACKAGED = 'unpackaged'

/** The options of `encapsulate` that it gives: one chunk for each layer, in the order of the file, and an empty one. */
export interface RawMeta {
  readonly created: string | undefined
  readonly labels: Readonly<Record<string, string>>
  readonly packageContentmeta: ObjectMetaSized
  readonly maxLayers: number
}

/**
 * Parses such a file.
 * @param bytes JSON; layers whose names are whole numbers come before the others
 * @throws {FormatError} when it is malformed, a layer has no file, or a file is in a layer that is not listed;
 *   {UnsupportedError} on another version; {LimitError}
 */
export function parseRawMeta(bytes: Uint8Array): RawMeta {
  const reader = new JsonObject(parseJsonMembers(bytes, STRICT), STRICT.what, STRICT)
  const version = reader.required('version', reader.integer('version'))
  if (version !== VERSION) {
    throw new UnsupportedError(
      'content metadata',
      `Unsupported metadata version: ${version}. Currently supported: ${VERSION}`,
    )
  }
  if (reader.boolean('ordered') === true) {
    throw new UnsupportedError('ordered mapping', 'Ordered mapping not currently supported.')
  }
  const layers = Object.entries(reader.required('layers', reader.stringMap('layers')))
  const map = readMapping(reader.required('mapping', reader.stringMap('mapping')), new Set(layers.map(([id]) => id)))
  const used = new Set(map.values())
  const sizes = layers.map(([identifier, name]): ObjectSourceMetaSized => {
    if (!used.has(identifier)) throw new FormatError(STRICT.what, `No file is mapped to layer ${identifier}`)
    const changeFrequency = identifier === UNPACKAGED ? MAX_CHANGE_FREQUENCY : 1
    return { identifier, name, srcid: identifier, changeFrequency, changeTimeOffset: 1, size: 1 }
  })
  return {
    created: reader.string('created'),
    labels: reader.stringMap('labels') ?? {},
    packageContentmeta: { map, sizes },
    maxLayers: layers.length + 1,
  }
}

function readMapping(mapping: Readonly<Record<string, string>>, layers: ReadonlySet<string>): Map<Checksum, string> {
  const map = new Map<Checksum, string>()
  for (const [checksum, layer] of Object.entries(mapping)) {
    if (!isChecksum(checksum)) throw new FormatError(STRICT.what, `Invalid sha256 checksum ${checksum}`)
    if (!layers.has(layer)) throw new FormatError(STRICT.what, `Failed to find ${layer} in content set`)
    map.set(checksum, layer)
  }
  return map
}
