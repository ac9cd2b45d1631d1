/** Archives: tar in all dialects, PAX records, cpio, and what layers are made of them. */
import fc from 'fast-check'
import { concatBytes, encodeUtf8 } from '../../../src/bytes.ts'
import { filterTar } from '../../../src/container/internal.ts'
import { permissionsOf, xattrsFromPax } from '../../../src/repo/internal.ts'
import { encodePaxHeader, parsePax, type TarHeader, TarOrCpioParser, type TarSink } from '../../../src/tar/index.ts'
import { anyTarArchive } from '../../../src/testing/index.ts'
import { goldenBytes } from '../../support/golden.ts'
import { oddArchives } from '../../tar/odd-archives.ts'
import { type FuzzTarget, rule, texts } from '../target.ts'

export const TARS: readonly Uint8Array[] = [
  goldenBytes('core/tree-a.tar').slice(0, 20_480),
  ...(['v7', 'ustar', 'gnu'] as const).flatMap((magic) => oddArchives(magic).map(({ bytes }) => bytes)),
  ...fc.sample(anyTarArchive(), { numRuns: 40, seed: 1 }).map(({ bytes }) => bytes),
].filter((bytes) => bytes.length <= 32_768)

/** Writes the checksum of every block that could be a header, so that parsers accept what was changed in it. */
export function sealTar(input: Uint8Array): Uint8Array {
  const bytes = input.slice()
  for (let at = 0; at + 512 <= bytes.length; at += 512) {
    const block = bytes.subarray(at, at + 512)
    // A checksum of octal digits shows a header.
    if (!/^[0-7 ]{5,8}/.test(Buffer.from(block.subarray(148, 156)).toString('latin1'))) continue
    block.fill(0x20, 148, 156)
    const sum = block.reduce((total, byte) => total + byte, 0)
    block.set(encodeUtf8(`${sum.toString(8).padStart(6, '0')}\0 `), 148)
  }
  return bytes
}

/** Bytes of an entry's data that are compared. */
const MOST_NOTED = 2048

/** Notes what a parser reports, as text. */
class Notes implements TarSink {
  readonly #lines: string[] = []
  #left = 0
  #data: number[] = []
  #open = false

  entry(header: TarHeader): void {
    rule(!this.#open, 'an entry began within another')
    this.#open = true
    this.#left = header.size
    rule(Number.isSafeInteger(header.size) && header.size >= 0, `size ${header.size}`)
    rule(Number.isSafeInteger(header.uid) && Number.isSafeInteger(header.gid), `owner ${header.uid}:${header.gid}`)
    rule(Number.isFinite(header.mtime), `time ${header.mtime}`)
    rule(header.mode >= 0 && header.mode <= 0o7777, `mode ${header.mode}`)
    permissionsOf(header)
    xattrsFromPax(header.pax)
    this.#lines.push(
      JSON.stringify(header, (_, value) =>
        value instanceof Uint8Array ? Buffer.from(value).toString('latin1') : value,
      ),
    )
    this.#data = []
  }

  data(bytes: Uint8Array): void {
    this.#left -= bytes.length
    rule(this.#open && this.#left >= 0, 'more data than the header says')
    if (this.#data.length < MOST_NOTED) this.#data.push(...bytes.subarray(0, MOST_NOTED - this.#data.length))
  }

  end(): void {
    rule(this.#open && this.#left === 0, `${this.#left} bytes of data are missing`)
    this.#open = false
    this.#lines.push(Buffer.from(this.#data).toString('latin1'))
  }

  get text(): string {
    return this.#lines.join('\n')
  }
}

function parse(input: Uint8Array, step: number): string {
  const notes = new Notes()
  const parser = new TarOrCpioParser(notes, { maxHoleBytes: 1 << 22, maxFileBytes: 1 << 30 })
  for (let at = 0; at < input.length; at += step) parser.push(input.subarray(at, at + step))
  parser.finish()
  return notes.text
}

/** Parses the whole, and then pieces, which have to give the same. */
function parseBoth(input: Uint8Array): void {
  let whole: string | Error
  try {
    whole = parse(input, Math.max(1, input.length))
  } catch (error) {
    whole = error as Error
  }
  let pieces: string | Error
  try {
    pieces = parse(input, 1 + (input.length % 700))
  } catch (error) {
    pieces = error as Error
  }
  const said = (outcome: string | Error): string => (outcome instanceof Error ? outcome.message : `entries ${outcome}`)
  if (whole instanceof Error && pieces instanceof Error && whole.constructor === pieces.constructor) throw whole
  rule(said(whole) === said(pieces), `in pieces: ${said(pieces)}, as a whole: ${said(whole)}`)
}

async function collect(stream: AsyncIterable<Uint8Array>): Promise<Uint8Array> {
  const parts: Uint8Array[] = []
  for await (const part of stream) parts.push(part.slice())
  return concatBytes(parts)
}

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes
}

export const TAR_TARGETS: readonly FuzzTarget[] = [
  { name: 'tar', share: 6, seeds: TARS, seal: sealTar, run: parseBoth },
  {
    name: 'tar of a layer, filtered',
    share: 0.6,
    seeds: TARS,
    seal: sealTar,
    async run(input) {
      const made = await collect(filterTar(once(input)))
      // What is written can be read.
      parse(made, made.length)
    },
  },
  {
    name: 'PAX records',
    share: 4,
    seeds: [
      ...texts('30 mtime=1350244992.023960108\n', '12 path=a=b\n11 uid=-1\n', '25 GNU.sparse.map=0,1,5,2\n'),
      encodePaxHeader([['SCHILY.xattr.user.a', Uint8Array.of(0, 10, 255)]]).slice(512),
    ],
    run(input) {
      const { records } = parsePax(input)
      rule(records.length <= input.length, 'more records than bytes')
      xattrsFromPax(records)
    },
  },
  {
    name: 'cpio',
    share: 3,
    seeds: texts(
      `070701${'00000001'.repeat(11)}0000000500000000name\0\0\0\0`,
      `070701${'00000000'.repeat(11)}0000000b00000000TRAILER!!!\0`,
    ),
    run: parseBoth,
  },
]
