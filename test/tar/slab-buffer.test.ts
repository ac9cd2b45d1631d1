import fc from 'fast-check'
import { expect, test } from 'vitest'
import { concatBytes, equalBytes } from '../../src/bytes.ts'
import { SlabBuffer } from '../../src/tar/internal.ts'

test('SlabBuffer returns the bytes that were put in their order and in slabs of one size', () => {
  const anyStep = fc.oneof(
    { weight: 5, arbitrary: fc.uint8Array({ maxLength: 40 }) },
    fc.constantFrom('full' as const, 'all' as const),
  )
  fc.assert(
    fc.property(fc.array(anyStep, { maxLength: 60 }), fc.integer({ min: 1, max: 16 }), (steps, size) => {
      const out = new SlabBuffer(size)
      const put: Uint8Array[] = []
      const got: Uint8Array[] = []
      for (const step of steps) {
        if (typeof step === 'string') {
          // The buffer uses a slab again, so it is copied before the next call.
          for (const slab of out[step]()) {
            expect(slab.length).toBeGreaterThan(0)
            if (step === 'full') expect(slab.length).toBe(size)
            got.push(slab.slice())
          }
          expect(out.hasFull).toBe(false)
          if (step === 'all') expect(equalBytes(concatBytes(got), concatBytes(put))).toBe(true)
        } else {
          put.push(step.slice())
          out.put(step)
          step.fill(0xee)
        }
      }
      for (const slab of out.full()) got.push(slab.slice())
      got.push(out.rest().slice())
      expect(equalBytes(concatBytes(got), concatBytes(put))).toBe(true)
    }),
  )
})
