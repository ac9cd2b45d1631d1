import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { concatBytes } from '../../src/bytes.ts'
import { OstreeError } from '../../src/errors.ts'
import { TarParser } from '../../src/tar/index.ts'
import { anySplit, anyTarArchive, anyTarSample, type TarSample } from '../../src/testing/arbitraries/tar.ts'
import { packSamples, type ReadEntry, readTar, xattrsOf } from '../support/read-tar.ts'
import { anyDamage, withDamage } from './damage.ts'

/** Converts an entry that was read to a sample of the testing kit. */
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

describe('TarParser', () => {
  test('an archive in any format is read as the samples it was made from', () => {
    fc.assert(
      fc.property(anyTarArchive(), ({ samples, bytes }) => {
        expect(samplesIn(bytes)).toEqual(samples)
      }),
      { numRuns: 200 },
    )
  })

  test('the entries are the same in whatever pieces the archive comes', () => {
    const withSplit = anyTarArchive().chain((archive) => fc.tuple(fc.constant(archive), anySplit(archive.bytes)))
    fc.assert(
      fc.property(withSplit, ([{ bytes }, pieces]) => {
        const whole = readTar(bytes).map(({ calls, ...entry }) => entry)
        expect(readTar(pieces).map(({ calls, ...entry }) => entry)).toEqual(whole)
      }),
      { numRuns: 150 },
    )
  })

  test('the entries are the same when the archive comes byte by byte', () => {
    fc.assert(
      fc.property(anyTarArchive(), ({ bytes }) => {
        const pieces = Array.from(bytes, (_, i) => bytes.subarray(i, i + 1))
        const whole = readTar(bytes).map(({ calls, ...entry }) => entry)
        expect(readTar(pieces).map(({ calls, ...entry }) => entry)).toEqual(whole)
      }),
      { numRuns: 30 },
    )
  })

  test('a body that is inside of one piece is passed on in one call', () => {
    fc.assert(
      fc.property(anyTarArchive(), ({ bytes }) => {
        for (const { calls, header } of readTar(bytes)) expect(calls).toBe(header.size > 0 ? 1 : 0)
      }),
      { numRuns: 50 },
    )
  })

  test('the parser does not refer to a piece after push has returned', () => {
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

  test('a damaged archive is read with bodies of the announced size, or refused with an OstreeError', () => {
    const damaged = anyTarArchive()
      .filter(({ bytes }) => bytes.length > 0)
      .chain(({ bytes }) => fc.tuple(fc.constant(bytes), anyDamage(bytes), fc.nat({ max: bytes.length }), fc.boolean()))
    fc.assert(
      fc.property(damaged, ([bytes, damage, length, sealed]) => {
        try {
          readTar(withDamage(bytes, damage, sealed).subarray(0, length))
        } catch (error) {
          expect(error).toBeInstanceOf(OstreeError)
        }
      }),
      { numRuns: 300 },
    )
  })
})

describe('packTar', () => {
  test('an archive is read as the samples it was made from', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(anyTarSample(), { maxLength: 6 }), async (samples) => {
        expect(samplesIn(await packSamples(samples))).toEqual(samples)
      }),
      { numRuns: 200 },
    )
  })

  test('equal entries give equal bytes', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(anyTarSample(), { maxLength: 3 }), async (samples) => {
        expect(await packSamples(samples)).toEqual(await packSamples(samples))
      }),
      { numRuns: 20 },
    )
  })
})
