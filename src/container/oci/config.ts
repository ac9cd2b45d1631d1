/**
 * Reads image configs as two programs in a row do: one in Go reads and writes them, and then one in Rust reads that. The
 * result is the config in commit metadata. `goConfigJson` gives the text in between, which a converted manifest names by
 * its digest.
 * Source: OCI image-spec 1.1, config.md; Go, `encoding/json`, `specs-go/v1.Image`; the Rust crate oci-spec.
 */
import { FormatError } from '../../errors.ts'
import { GoStruct, goJson } from './go-json.ts'
import { JsonObject, parseJsonMembers } from './json.ts'
import type { ContainerConfig, HistoryEntry, ImageConfiguration } from './oci-types.ts'
import { present } from './present.ts'
import { parseRfc3339 } from './rfc3339.ts'

const LENIENT = { what: 'image config', anyCase: true }

/** A config as Go reads it, without zero values. It has one more field than is kept, and diff ids may be missing. */
export interface GoConfig extends Omit<ImageConfiguration, 'config' | 'rootfs'> {
  readonly config: ContainerConfig & { readonly ArgsEscaped?: boolean }
  readonly rootfs: { readonly type: string; readonly diff_ids: readonly string[] | null }
}

/**
 * Parses a config and normalises it: the fields of the specification are kept, empty texts, lists and maps are left out,
 * and times are rewritten. A normalised config does not change.
 * @throws {FormatError} when it is malformed, a time is not valid, or diff ids are missing; {LimitError} when it is
 *   too large or nested too deeply
 */
export function normaliseConfig(bytes: Uint8Array): ImageConfiguration {
  const { config, rootfs, ...others } = readGoConfig(bytes)
  const { ArgsEscaped: _, ...kept } = config
  if (rootfs.diff_ids === null) {
    throw new FormatError(LENIENT.what, 'Invalid image config: missing field `rootfs.diff_ids`')
  }
  return {
    ...others,
    // An error in the Rust types, which the checksums of existing commits depend on.
    architecture: others.architecture === 'armbe' ? 'arm64be' : others.architecture,
    config: kept,
    rootfs: { type: rootfs.type, diff_ids: rootfs.diff_ids },
  }
}

/** Reads a config as Go does. @throws as `normaliseConfig`, except that diff ids may be missing */
export function readGoConfig(bytes: Uint8Array): GoConfig {
  const reader = new JsonObject(parseJsonMembers(bytes, LENIENT), LENIENT.what, LENIENT)
  const rootfs = reader.object('rootfs')
  return present({
    created: time(reader),
    author: filled(reader.string('author')),
    architecture: reader.string('architecture') ?? '',
    os: reader.string('os') ?? '',
    'os.version': filled(reader.string('os.version')),
    'os.features': filled(reader.strings('os.features')),
    variant: filled(reader.string('variant')),
    config: readContainerConfig(reader.object('config')),
    rootfs: { type: rootfs?.string('type') ?? '', diff_ids: rootfs?.strings('diff_ids') ?? null },
    history: filled(readHistory(reader)),
  })
}

function readContainerConfig(reader: JsonObject | undefined): GoConfig['config'] {
  if (reader === undefined) return {}
  return present({
    User: filled(reader.string('User')),
    ExposedPorts: filled(reader.nameSet('ExposedPorts')),
    Env: filled(reader.strings('Env')),
    Entrypoint: filled(reader.strings('Entrypoint')),
    Cmd: filled(reader.strings('Cmd')),
    Volumes: filled(reader.nameSet('Volumes')),
    WorkingDir: filled(reader.string('WorkingDir')),
    Labels: filled(reader.stringMap('Labels')),
    StopSignal: filled(reader.string('StopSignal')),
    ArgsEscaped: reader.boolean('ArgsEscaped') || undefined,
  })
}

function readHistory(reader: JsonObject): HistoryEntry[] | undefined {
  return reader.objects('history')?.map((entry) =>
    present({
      created: time(entry),
      created_by: filled(entry.string('created_by')),
      author: filled(entry.string('author')),
      comment: filled(entry.string('comment')),
      empty_layer: entry.boolean('empty_layer') || undefined,
    }),
  )
}

function time(reader: JsonObject): string | undefined {
  const text = reader.string('created')
  if (text === undefined) return undefined
  const time = parseRfc3339(text)
  if (time === undefined) {
    throw new FormatError(LENIENT.what, `Invalid image config: cannot parse time ${JSON.stringify(text)}`)
  }
  return time.canonical
}

/** Returns `undefined` for an empty value, as Go's `omitempty` leaves it out. */
function filled<T extends string | object>(value: T | undefined): T | undefined {
  if (value === undefined || value === '') return undefined
  return typeof value === 'object' && Object.keys(value).length === 0 ? undefined : value
}

/**
 * Returns a config as Go writes it: fields in the order of its structs, maps by key. The order counts, because the digest
 * of this text is compared.
 */
export function goConfigJson(config: GoConfig): string {
  const { history } = config
  return goJson(
    GoStruct.of(
      {
        ...config,
        config: GoStruct.of(config.config, CONTAINER_ORDER),
        rootfs: GoStruct.of(config.rootfs, ['type', 'diff_ids']),
        history: history?.map((entry) => GoStruct.of(entry, HISTORY_ORDER)),
      },
      IMAGE_ORDER,
    ),
  )
}

/** Order of fields in containers/image. Older versions, as in skopeo 1.9, wrote `variant` after `architecture`. */
const IMAGE_ORDER = [
  'created',
  'author',
  'architecture',
  'os',
  'os.version',
  'os.features',
  'variant',
  'config',
  'rootfs',
  'history',
] as const
const CONTAINER_ORDER = [
  'User',
  'ExposedPorts',
  'Env',
  'Entrypoint',
  'Cmd',
  'Volumes',
  'WorkingDir',
  'Labels',
  'StopSignal',
  'ArgsEscaped',
] as const
const HISTORY_ORDER = ['created', 'created_by', 'author', 'comment', 'empty_layer'] as const
