/** Tests of what is read at any place: scratch space, and content of objects that are files. */

import type { RandomAccess } from '../../repo/index.ts'
import { ABSENT, fileOf, noise, type SuiteContext, storedIn, text } from './kit.ts'

function slice(access: RandomAccess, offset: number, length: number): Uint8Array {
  const into = new Uint8Array(length)
  access.read(offset, into)
  return into
}

/** Registers the tests. They pass without a check on a storage that has neither. */
export function scratchTests(context: SuiteContext): void {
  const { describe, test, expect, headers, symlink, mode, platform } = context
  const sum = (bytes: Uint8Array): string => platform.sha256(bytes)

  describe('bytes that are read at any place', () => {
    test('scratch space gives back what was written, and two of them are apart', async () => {
      const storage = await context.create()
      const [one, other] = [storage.createScratch?.(), storage.createScratch?.()]
      if (one !== undefined && other !== undefined) {
        const bytes = noise(3_000_001)
        expect(one.size).toBe(0)
        const buffer = new Uint8Array(100_000)
        for (let at = 0; at < bytes.length; at += buffer.length) {
          const part = bytes.subarray(at, at + buffer.length)
          buffer.set(part)
          one.write(buffer.subarray(0, part.length))
          if (at === 0) other.write(text('other'))
        }
        expect([one.size, other.size]).toEqual([bytes.length, 5])
        for (const [offset, length] of [
          [0, 10],
          [99_990, 20],
          [2_999_991, 10],
          [3_000_001, 0],
          [0, bytes.length],
        ] as const) {
          expect(sum(slice(one, offset, length))).toBe(sum(bytes.subarray(offset, offset + length)))
        }
        one.write(text('more'))
        expect(slice(one, bytes.length, 4)).toEqual(text('more'))
        expect(slice(other, 0, 5)).toEqual(text('other'))
        expect(() => slice(other, 3, 3)).toThrow()
        one.close()
        one.close()
        other.close()
      }
      await storage[Symbol.asyncDispose]()
    })

    test('an object that is stored as it is opens, and gives its content; others do not', async () => {
      const body = noise(200_000)
      const { storage, value } = await storedIn(context)(async (tx) => ({
        file: await tx.writeFile(fileOf(headers[0], body)),
        link: await tx.writeFile(fileOf(symlink, new Uint8Array(0))),
      }))
      const { loose } = storage.objects
      const access = loose?.open(value.file)
      expect(access !== undefined).toBe(loose !== undefined && mode !== 'archive')
      if (access !== undefined) {
        expect(access.size).toBe(body.length)
        expect(slice(access, 0, 10)).toEqual(body.slice(0, 10))
        expect(sum(slice(access, 150_000, 50_000))).toBe(sum(body.subarray(150_000)))
        expect(() => slice(access, 199_999, 2)).toThrow()
        access.close()
        access.close()
      }
      expect(loose?.open(ABSENT)).toBeUndefined()
      if (mode === 'bare') expect(loose?.open(value.link)).toBeUndefined()
      await storage[Symbol.asyncDispose]()
    })
  })
}
