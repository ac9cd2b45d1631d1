/** The table of staged objects behaves like a map. */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { Checksum } from '../../../../src/bytes.ts'
import type { LanePlace } from '../../../../src/repo/core/interface.ts'
import { type StagedBy, StagedObjects } from '../../../../src/repo/stores/fs/staged-objects.ts'

test('objects are found with who wrote them last', () => {
  const writers: StagedBy[] = ['this', 'earlier', {} as LanePlace, {} as LanePlace]
  const anyObject = fc.tuple(fc.nat(300), fc.nat(3))
  fc.assert(
    fc.property(fc.array(anyObject, { maxLength: 400 }), fc.nat(400), (added, clearAt) => {
      const staged = new StagedObjects()
      const model = new Map<Checksum, StagedBy>()
      for (const [i, [object, by]] of added.entries()) {
        if (i === clearAt) {
          staged.clear()
          model.clear()
        }
        const checksum = object.toString(16).padStart(64, '0') as Checksum
        staged.set(checksum, writers[by] as StagedBy)
        model.set(checksum, writers[by] as StagedBy)
      }
      expect([...staged.keys()]).toEqual([...model.keys()])
      for (let object = 0; object <= 300; object++) {
        const checksum = object.toString(16).padStart(64, '0') as Checksum
        expect(staged.has(checksum)).toBe(model.has(checksum))
        expect(staged.get(checksum)).toBe(model.get(checksum))
      }
    }),
  )
})
