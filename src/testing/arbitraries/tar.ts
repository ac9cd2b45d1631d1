/** fast-check generators of tar archives: entries as values, and their bytes in the formats in use. */

import fc from 'fast-check'
import { concatBytes, encodeUtf8 } from '../../bytes.ts'
import {
  encodeGnuLong,
  encodePaxHeader,
  HeaderBlock,
  paddingFor,
  type TarEntry,
  type TarEntryType,
} from '../../tar/index.ts'
import { block, printEntry, printedAs } from '../printing.ts'

/** One entry as a reader returns it. */
export interface TarSample {
  readonly type: Exclude<TarEntryType, 'unknown' | 'pax-global'>
  readonly path: Uint8Array
  readonly linkPath: Uint8Array
  readonly mode: number
  readonly uid: number
  readonly gid: number
  readonly mtime: number
  readonly devMajor: number
  readonly devMinor: number
  readonly userName: Uint8Array
  readonly groupName: Uint8Array
  readonly xattrs: readonly (readonly [name: string, value: Uint8Array])[]
  readonly body: Uint8Array
}

/** Options of `anyTarSample` and `anyTarArchive`. */
export interface TarSampleOptions {
  /** Only text in names and values, for readers that decode them. Default: any bytes, without NUL in names. */
  readonly text?: boolean | undefined
  /** Default: all. */
  readonly types?: readonly TarSample['type'][] | undefined
}

const ALL_TYPES = ['file', 'directory', 'symlink', 'hardlink', 'char', 'block', 'fifo'] as const
/** Lets a value shrink to one of the first alternative. */
const CROSS = { withCrossShrink: true }
const NOTHING = new Uint8Array(0)

const textPart = fc.oneof(
  CROSS,
  fc.constantFrom('a', 'etc', 'usr', 'lib', '.wh.x', 'été', '字', 'with space', 'name=value', 'x'.repeat(60)),
  fc.string({ unit: fc.constantFrom(...'abcXYZ019._-+~ é'), minLength: 1, maxLength: 40 }),
)
const bytePart = fc.oneof(
  CROSS,
  { weight: 3, arbitrary: textPart.map(encodeUtf8) },
  { weight: 1, arbitrary: fc.uint8Array({ min: 1, minLength: 1, maxLength: 30 }) },
)

function anyPath(text: boolean): fc.Arbitrary<Uint8Array> {
  const part = text ? textPart.map(encodeUtf8) : bytePart
  return fc
    .tuple(fc.constantFrom('', '', './'), fc.array(part, { minLength: 1, maxLength: 7 }))
    .map(([start, parts]) =>
      concatBytes([encodeUtf8(start), ...parts.flatMap((part, i) => (i === 0 ? [part] : [encodeUtf8('/'), part]))]),
    )
    .filter((path) => path.at(-1) !== 0x2f)
}

const anyId = fc.oneof(
  CROSS,
  fc.constantFrom(0, 0, 1000),
  fc.nat({ max: 0xffffffff }),
  fc.constantFrom(0o7777777, 0o10000000),
)
const anyTime = fc.oneof(
  CROSS,
  fc.constantFrom(0, 1, 1_700_000_000),
  fc.integer({ min: -(2 ** 33), max: 2 ** 34 }),
  fc.integer({ min: 0, max: 2 ** 32 }).map((quarters) => quarters / 4),
)
const anyXattrName = fc.constantFrom(
  'user.a',
  'user.b.c',
  'security.capability',
  'security.selinux',
  'trusted.overlay.opaque',
)
const anyOwner = fc.constantFrom('', 'root', 'a user', 'o'.repeat(31)).map(encodeUtf8)

/** Bodies with sizes around multiples of the block size, and some larger ones. */
const anyBody = fc
  .oneof(CROSS, fc.nat({ max: 40 }), fc.constantFrom(0, 1, 511, 512, 513, 1024, 5000))
  .chain((size) => fc.uint8Array({ minLength: size, maxLength: size }))

/** Generates an entry. */
export function anyTarSample(options: TarSampleOptions = {}): fc.Arbitrary<TarSample> {
  const text = options.text ?? false
  const value = text
    ? fc.constantFrom('', 'v', 'ünï', 'line\nbreak', '1'.repeat(120)).map(encodeUtf8)
    : fc.uint8Array({ maxLength: 120 })
  return fc
    .record({
      type: fc.constantFrom(...(options.types ?? ALL_TYPES)),
      path: anyPath(text),
      linkPath: anyPath(text),
      mode: fc.nat({ max: 0o7777 }),
      uid: anyId,
      gid: anyId,
      mtime: anyTime,
      devMajor: fc.nat({ max: 4095 }),
      devMinor: fc.nat({ max: 0xfffff }),
      userName: anyOwner,
      groupName: anyOwner,
      xattrs: fc.uniqueArray(fc.tuple(anyXattrName, value), { maxLength: 3, selector: ([name]) => name }),
      body: anyBody,
    })
    .map((sample) => {
      const device = sample.type === 'char' || sample.type === 'block'
      return printedSample({
        ...sample,
        linkPath: sample.type === 'symlink' || sample.type === 'hardlink' ? sample.linkPath : NOTHING,
        devMajor: device ? sample.devMajor : 0,
        devMinor: device ? sample.devMinor : 0,
        body: sample.type === 'file' ? sample.body : NOTHING,
      })
    })
}

function printedSample(sample: TarSample): TarSample {
  return printedAs(sample, () => printEntry(tarEntryOf(sample)))
}

/** Converts a sample to an entry for `packTar`. */
export function tarEntryOf(sample: TarSample): TarEntry {
  const { linkPath, body, ...rest } = sample
  return {
    ...rest,
    ...(linkPath.length > 0 ? { linkPath } : {}),
    ...(sample.type === 'file' ? { body } : {}),
  }
}

/** Which of several equivalent encodings of an entry is used. */
interface Style {
  readonly format: 'gnu' | 'pax'
  /** Extension headers also for values that fit into the main header. */
  readonly verbose: boolean
  /** PAX only: a global header before the entry. */
  readonly global: boolean
  /** Octal numbers as old programs write them: spaces instead of leading zeros, and a final space. */
  readonly spaced: boolean
  /** Stray bytes after the NUL of short names. */
  readonly leftover: boolean
}

const anyStyle: fc.Arbitrary<Style> = fc.record({
  format: fc.constantFrom('gnu', 'pax'),
  verbose: fc.boolean(),
  global: fc.nat({ max: 9 }).map((n) => n === 0),
  spaced: fc.boolean(),
  leftover: fc.boolean(),
})

/** An archive and its entries. */
export interface TarArchive {
  readonly samples: readonly TarSample[]
  readonly bytes: Uint8Array
}

/**
 * Generates archives with the formats of different programs, mixed entry by entry. Samples in GNU format have no xattrs
 * and no fractions of seconds. Global headers are not in `samples`.
 */
export function anyTarArchive(options: TarSampleOptions = {}): fc.Arbitrary<TarArchive> {
  return fc
    .tuple(fc.array(fc.tuple(anyTarSample(options), anyStyle), { maxLength: 8 }), fc.constantFrom(0, 512, 1024, 10240))
    .map(([styled, zeros]) => {
      const samples = styled.map(([sample, { format }]) =>
        format === 'gnu' ? printedSample({ ...sample, xattrs: [], mtime: Math.floor(sample.mtime) }) : sample,
      )
      const parts = samples.flatMap((sample, i) => encodeSample(sample, (styled[i] as (typeof styled)[0])[1]))
      const bytes = concatBytes([...parts, new Uint8Array(zeros)])
      return printedAs<TarArchive>({ samples, bytes }, printArchive)
    })
}

function printArchive({ samples, bytes }: TarArchive): string {
  return block([`archive of ${bytes.length} bytes`, ...samples.map((sample) => printEntry(tarEntryOf(sample)))])
}

function encodeSample(sample: TarSample, style: Style): Uint8Array[] {
  const parts: Uint8Array[] = []
  const block = new HeaderBlock(style.format === 'gnu' ? 'gnu' : 'ustar')
  if (style.leftover) {
    block.name = new Uint8Array(100).fill(0x78)
    block.linkName = new Uint8Array(100).fill(0x79)
    block.linkName = NOTHING
  }
  block.type = sample.type
  block.mode = sample.mode
  block.uid = sample.uid
  block.gid = sample.gid
  block.size = sample.body.length
  block.mtime = Math.floor(sample.mtime)
  block.devMajor = sample.devMajor
  block.devMinor = sample.devMinor
  block.userName = sample.userName
  block.groupName = sample.groupName
  block.name = sample.path.subarray(0, 100)
  if (sample.linkPath.length > 0) block.linkName = sample.linkPath.subarray(0, 100)
  if (style.format === 'gnu') {
    if (sample.linkPath.length > 100 || (style.verbose && sample.linkPath.length > 0))
      parts.push(encodeGnuLong('K', sample.linkPath))
    if (sample.path.length > 100 || style.verbose) parts.push(encodeGnuLong('L', sample.path))
  } else {
    const records = paxRecords(sample, style.verbose)
    if (style.global) parts.push(globalHeader())
    if (records.length > 0) parts.push(encodePaxHeader(records))
  }
  if (style.spaced) spaceNumbers(block)
  parts.push(block.seal(), sample.body, paddingFor(sample.body.length))
  return parts
}

function paxRecords(sample: TarSample, verbose: boolean): [string, Uint8Array][] {
  const records: [string, Uint8Array][] = sample.xattrs.map(([name, value]) => [`SCHILY.xattr.${name}`, value])
  const number = (key: string, value: number) => records.push([key, encodeUtf8(String(value))])
  if (sample.path.length > 100 || verbose) records.push(['path', sample.path])
  if (sample.linkPath.length > 100 || (verbose && sample.linkPath.length > 0))
    records.push(['linkpath', sample.linkPath])
  if (!Number.isInteger(sample.mtime) || verbose) number('mtime', sample.mtime)
  if (verbose) {
    number('uid', sample.uid)
    number('gid', sample.gid)
    number('size', sample.body.length)
  }
  return records
}

function globalHeader(): Uint8Array {
  const block = new HeaderBlock('ustar')
  block.name = encodeUtf8('pax_global_header')
  block.type = 'pax-global'
  return encodePaxHeader(
    [
      ['comment', encodeUtf8('of no effect')],
      ['path', encodeUtf8('of-no-effect')],
      ['uid', encodeUtf8('77')],
    ],
    block,
  )
}

/** Rewrites numbers as `  644 \0`, except those in base 256. */
function spaceNumbers({ bytes }: HeaderBlock): void {
  for (const [at, width] of [
    [100, 8],
    [124, 12],
  ] as const) {
    if ((bytes[at] as number) > 0x7f) continue
    bytes[at + width - 1] = 0x20
    for (let i = at; i < at + width - 2 && bytes[i] === 0x30; i++) bytes[i] = 0x20
  }
}

/** Generates the bytes split into pieces of any size. */
export function anySplit(bytes: Uint8Array): fc.Arbitrary<Uint8Array[]> {
  return fc.array(fc.nat({ max: bytes.length }), { maxLength: 12 }).map((cuts) => {
    const borders = [0, ...cuts.sort((a, b) => a - b), bytes.length]
    return borders.slice(1).map((end, i) => bytes.subarray(borders[i], end))
  })
}
