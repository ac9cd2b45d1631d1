import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { concatBytes } from '../../src/bytes.ts'
import { OstreeError } from '../../src/errors.ts'
import { packTar, TarParser } from '../../src/tar/index.ts'
import { anySplit, anyTarArchive, anyTarSample, type TarSample, tarEntryOf } from '../../src/testing/arbitraries/tar.ts'
import { type ReadEntry, readTar, xattrsOf } from './kit.ts'

/** What was read, in the shape of what was written. */
function sampleOf({ header, body }: ReadEntry): TarSample {
  const { type, path, linkPath, mode, uid, gid, mtime, devMajor, devMinor, userName, groupName } = header
  if (type === 'unknown' || type === 'pax-global') throw new Error(`a ${type} entry`)
  const xattrs = xattrsOf(header)
  return { type, path, linkPath, mode, uid, gid, mtime, devMajor, devMinor, userName, groupName, xattrs, body }
}

function samplesIn(pieces: Uint8Array | Uint8Array[]): TarSample[] {
  return readTar(pieces)
    .filter(({ header }) => header.type !== 'pax-global')
    .map(sampleOf)
}

async function pack(samples: readonly TarSample[]): Promise<Uint8Array> {
  const parts: Uint8Array[] = []
  for await (const part of packTar(samples.map(tarEntryOf))) parts.push(part.slice())
  return concatBytes(parts)
}

describe('TarParser', () => {
  test('reads what any of the formats says', () => {
    fc.assert(
      fc.property(anyTarArchive(), ({ samples, bytes }) => {
        expect(samplesIn(bytes)).toEqual(samples)
      }),
      { numRuns: 200 },
    )
  })

  test('sees the same entries however the stream is cut', () => {
    const withSplit = anyTarArchive().chain((archive) => fc.tuple(fc.constant(archive), anySplit(archive.bytes)))
    fc.assert(
      fc.property(withSplit, ([{ bytes }, pieces]) => {
        const whole = readTar(bytes).map(({ calls, ...entry }) => entry)
        expect(readTar(pieces).map(({ calls, ...entry }) => entry)).toEqual(whole)
      }),
      { numRuns: 150 },
    )
  })

  test('sees the same entries byte by byte', () => {
    fc.assert(
      fc.property(anyTarArchive(), ({ bytes }) => {
        const pieces = Array.from(bytes, (_, i) => bytes.subarray(i, i + 1))
        const whole = readTar(bytes).map(({ calls, ...entry }) => entry)
        expect(readTar(pieces).map(({ calls, ...entry }) => entry)).toEqual(whole)
      }),
      { numRuns: 30 },
    )
  })

  test('a body inside one piece comes in one call', () => {
    fc.assert(
      fc.property(anyTarArchive(), ({ bytes }) => {
        for (const { calls, header } of readTar(bytes)) expect(calls).toBe(header.size > 0 ? 1 : 0)
      }),
      { numRuns: 50 },
    )
  })

  test('keeps nothing of the pieces it was given', () => {
    fc.assert(
      fc.property(anyTarArchive(), ({ samples, bytes }) => {
        const entries: TarSample[] = []
        let pending: ReadEntry | undefined
        const parser = new TarParser({
          entry: (header) => {
            pending = { header, body: new Uint8Array(0), calls: 0 }
          },
          data: (piece) => {
            if (pending) pending = { ...pending, body: concatBytes([pending.body, piece]) }
          },
          end: () => {
            if (pending && pending.header.type !== 'pax-global') entries.push(sampleOf(pending))
          },
        })
        const buffer = new Uint8Array(700)
        for (let at = 0; at < bytes.length; at += 700) {
          const piece = bytes.subarray(at, at + 700)
          buffer.set(piece)
          parser.push(buffer.subarray(0, piece.length))
          buffer.fill(0xee)
        }
        parser.finish()
        expect(entries).toEqual(samples)
      }),
      { numRuns: 50 },
    )
  })

  test('damaged bytes give an error of the family, or entries, and never more data than promised', () => {
    const damaged = anyTarArchive()
      .filter(({ bytes }) => bytes.length > 0)
      .chain(({ bytes }) =>
        fc.tuple(
          fc.constant(bytes),
          fc.array(fc.tuple(fc.nat({ max: bytes.length - 1 }), fc.nat({ max: 255 })), { minLength: 1, maxLength: 6 }),
          fc.nat({ max: bytes.length }),
          fc.boolean(),
        ),
      )
    fc.assert(
      fc.property(damaged, ([bytes, changes, length, resealed]) => {
        const broken = bytes.slice(0, length)
        for (const [at, byte] of changes) if (at < length) broken[at] = byte
        if (resealed) for (let at = 0; at + 512 <= length; at += 512) reseal(broken.subarray(at, at + 512))
        try {
          readTar(broken)
        } catch (error) {
          expect(error).toBeInstanceOf(OstreeError)
        }
      }),
      { numRuns: 300 },
    )
  })
})

/** Gives a block that looks like a header a right check sum, so that the damage gets further. */
function reseal(block: Uint8Array): void {
  if (String.fromCharCode(...block.subarray(257, 262)) !== 'ustar') return
  block.fill(0x20, 148, 156)
  const sum = block.reduce((total, byte) => total + byte, 0)
  block.set(new TextEncoder().encode(`${sum.toString(8).padStart(6, '0')}\0 `), 148)
}

describe('packTar', () => {
  test('its archives read back as they were meant', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(anyTarSample(), { maxLength: 6 }), async (samples) => {
        expect(samplesIn(await pack(samples))).toEqual(samples)
      }),
      { numRuns: 200 },
    )
  })

  test('the same entries give the same bytes', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(anyTarSample(), { maxLength: 3 }), async (samples) => {
        expect(await pack(samples)).toEqual(await pack(samples))
      }),
      { numRuns: 20 },
    )
  })
})
