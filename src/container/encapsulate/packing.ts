/**
 * Packs components into layers. An update should fetch little and leave most layers unchanged, so each large component
 * gets a layer (bin), the small ones share one, and the others share bins with those that change about as often:
 *
 * ```
 * 1hs   larger than most: a bin each          2ls   smaller than most: one bin for all
 * 3hf   changes often   ┐  × hs ms ls         after those, a bin for components that change always,
 * 4mf   now and then    ├  filled to the      and an empty one for components of later builds
 * 5lf   seldom          ┘  same count
 * ```
 *
 * When the manifest of the previous build is given, its bins are kept instead, so that unchanged components stay where
 * they were.
 *
 * Source: ostree-ext, chunking.rs (basic_packing, get_partitions_with_threshold, basic_packing_with_prior_build).
 */

import { compareUtf8 } from '../../bytes.ts'
import { FormatError, UsageError } from '../../errors.ts'
import type { ImageManifest } from '../oci/oci-types.ts'
import { COMPONENT_SEPARATOR, CONTENT_ANNOTATION } from '../store/names.ts'
import { MAX_CHANGE_FREQUENCY, type ObjectSourceMetaSized } from './object-meta.ts'
import { mean, medianAbsoluteDeviation, standardDeviation } from './statistics.ts'

/** Into fewer bins than this only so many components can be packed that each has its own, and one stays empty. */
export const MIN_CHUNKED_LAYERS = 4

type Component = ObjectSourceMetaSized
type Bin = readonly Component[]

/** How far from the median a size or frequency must be to count as high or low, in median deviations. */
const THRESHOLD = 2
/** Fraction of the bins that is for large components. */
const HIGH_SIZE_SHARE = Math.fround(0.6)
/** Bins for all small components, and for components of later builds. */
const RESERVED_BINS = 2

const HIGH_SIZE = '1hs'
const LOW_SIZE = '2ls'

/**
 * Packs components into bins.
 * @param components largest first
 * @param prior manifest of the previous build; its bins are kept if there are not more than `bins`
 * @returns at most `bins` bins, every component in exactly one
 * @throws {UsageError} on fewer bins than `MIN_CHUNKED_LAYERS`, unless there is one for each component
 * @throws {FormatError} when the prior manifest does not name components, or two components have one name
 */
export function basicPacking(components: Bin, bins: number, prior?: ImageManifest | undefined): Component[][] {
  // Each component gets a bin.
  if (bins < MIN_CHUNKED_LAYERS && components.length >= bins) throw tooFewBins()
  const kept = prior === undefined ? undefined : packLikeBefore(components, bins, prior)
  if (kept !== undefined) return kept
  if (components.length < bins) {
    return components.length === 0 ? [] : [...components.map((component) => [component]), []]
  }
  const always = components.filter(({ changeFrequency }) => changeFrequency === MAX_CHANGE_FREQUENCY)
  const rest = components.filter(({ changeFrequency }) => changeFrequency !== MAX_CHANGE_FREQUENCY)
  const reserved = RESERVED_BINS + (always.length > 0 ? 1 : 0)
  const packed = rest.length === 0 ? [] : packBySize(rest, bins, reserved)
  if (always.length > 0) packed.push(always)
  packed.push([])
  const count = packed.reduce((sum, bin) => sum + bin.length, 0)
  if (count !== components.length || packed.length > bins) {
    throw new UsageError(`Cannot pack ${components.length} components into ${bins} layers`)
  }
  return packed
}

function tooFewBins(): UsageError {
  return new UsageError(`number of bins should be >= ${MIN_CHUNKED_LAYERS}`)
}

function packBySize(rest: Bin, bins: number, reserved: number): Component[][] {
  const highSizeBins = Math.floor(Math.fround(HIGH_SIZE_SHARE * Math.fround(bins - reserved)))
  const mediumBins = bins - highSizeBins - reserved
  if (mediumBins <= 0) throw tooFewBins()
  const partitions = partition(rest, highSizeBins)
  const lowSize = partitions.get(LOW_SIZE)?.length ?? 0
  const perBin = Math.max(0, Math.floor((rest.length - highSizeBins - lowSize) / mediumBins))
  const packed: Component[][] = []
  for (const key of [...partitions.keys()].sort(compareUtf8)) {
    const members = partitions.get(key) ?? []
    if (key === LOW_SIZE) packed.push(members)
    else if (key === HIGH_SIZE) for (const component of members) packed.push([component])
    else for (const bin of fill(members, perBin)) packed.push(bin)
  }
  mergeNeighbours(packed, bins - (reserved - 1), highSizeBins)
  return packed
}

/** Divides components into bins of equal count. For a count of 0 the first bin is empty and each component gets a bin. */
function fill(members: Bin, perBin: number): Component[][] {
  const filled: Component[][] = []
  let bin: Component[] = []
  for (const component of members) {
    if (bin.length >= perBin) {
      filled.push(bin)
      bin = []
    }
    bin.push(component)
  }
  filled.push(bin)
  return filled
}

/**
 * Joins every second bin with the one before it, beginning at the end, until there are few enough. A joined bin is then
 * one place further back.
 */
function mergeNeighbours(bins: Component[][], most: number, start: number): void {
  while (bins.length > most) {
    const before = bins.length
    let last = start + 1
    while (last + 2 < before - 1) last += 2
    for (let i = last; i > start && i < before - 1 && bins.length > most; i -= 2) {
      const [left = [], right = []] = bins.splice(i - 1, 2)
      bins.splice(i, 0, [...left, ...right])
    }
    if (bins.length === before) return
  }
}

/** Divides components into classes. @param components largest first @returns the classes in the order of their bins */
function partition(components: Bin, highSizeBins: number): Map<string, Component[]> {
  const partitions = new Map<string, Component[]>()
  const add = (key: string, component: Component) => {
    const members = partitions.get(key)
    if (members === undefined) partitions.set(key, [component])
    else members.push(component)
  }
  const { median, deviation } = medianAbsoluteDeviation(components.map(({ size }) => size)) ?? NOTHING
  const highLimit = median + THRESHOLD * deviation
  const lowLimit = 0.5 * Math.abs(median - THRESHOLD * deviation)
  const high: Component[] = []
  const medium: Component[] = []
  for (const component of components) {
    if (component.size >= highLimit) high.push(component)
    else if (component.size <= lowLimit) add(LOW_SIZE, component)
    else medium.push(component)
  }
  partitions.set(HIGH_SIZE, high.slice(0, highSizeBins))
  const rest = [...high.slice(highSizeBins), ...medium].sort((a, b) => a.changeFrequency - b.changeFrequency)
  const frequency = limits(rest.map(({ changeFrequency }) => changeFrequency))
  const size = limits(rest.map((component) => component.size))
  for (const component of rest) {
    const frequencyClass = classOf(component.changeFrequency, frequency, '3hf', '5lf', '4mf')
    add(`${frequencyClass}_${classOf(component.size, size, 'hs', 'ls', 'ms')}`, component)
  }
  return partitions
}

const NOTHING = { median: 0, deviation: 0 }

interface Limits {
  readonly high: number
  readonly low: number
}

function limits(values: readonly number[]): Limits {
  const middle = mean(values) ?? 0
  const deviation = standardDeviation(values) ?? 0
  return { high: middle + THRESHOLD * deviation, low: 0.5 * Math.abs(middle - THRESHOLD * deviation) }
}

function classOf(value: number, { high, low }: Limits, above: string, below: string, between: string): string {
  if (value >= high) return above
  return value <= low ? below : between
}

/**
 * Returns the bins of the previous build, without components that no longer exist and with the new ones in the last bin.
 * Components of two builds are the same when their names are.
 * @returns `undefined` when there are no bins, or too many
 */
function packLikeBefore(components: Bin, bins: number, prior: ImageManifest): Component[][] | undefined {
  const byName = new Map<string, Component>()
  for (const component of components) if (!byName.has(component.name)) byName.set(component.name, component)
  const before = prior.layers.slice(1).map(({ annotations }) => {
    const text =
      annotations !== undefined && Object.hasOwn(annotations, CONTENT_ANNOTATION) && annotations[CONTENT_ANNOTATION]
    if (typeof text !== 'string') throw new FormatError('manifest', `Missing ${CONTENT_ANNOTATION} on prior build`)
    return text.split(COMPONENT_SEPARATOR)
  })
  const last = before.pop()
  if (last === undefined) return undefined
  const known = new Set([...before.flat(), ...last].filter((name) => name !== ''))
  const added = [...byName.keys()].filter((name) => !known.has(name)).sort(compareUtf8)
  const stays = (name: string) => name === '' || byName.has(name)
  const kept = before.map((names) => names.filter(stays)).filter((names) => names.length > 0)
  kept.push([...last.filter((name) => name !== '' && stays(name)), ...added])
  if (kept.length > bins) return undefined

  const packed = kept.map((names) => names.flatMap((name) => byName.get(name) ?? []))
  const count = packed.reduce((sum, bin) => sum + bin.length, 0)
  const distinct = new Set(packed.flat()).size
  if (count !== components.length || distinct !== count) {
    throw new FormatError(
      'components',
      `Cannot keep the layers of the prior build: ${describeClash(components, packed)}`,
    )
  }
  return packed
}

function describeClash(components: Bin, packed: readonly Bin[]): string {
  const seen = new Set<string>()
  for (const { name } of packed.flat()) {
    if (seen.has(name)) return `component ${name} is in two of them`
    seen.add(name)
  }
  const names = new Set<string>()
  for (const { name } of components) {
    if (names.has(name)) return `two components are called ${name}`
    names.add(name)
  }
  return `${components.length} components do not fit`
}
