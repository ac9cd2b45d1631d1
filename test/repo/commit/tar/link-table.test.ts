/** Tests of the table of hard links: texts of all lengths, and the memory that is freed on the way. */
import { describe, expect, test } from 'vitest'
import { LinkTable } from '../../../../src/repo/commit/tar/link-table.ts'
import { MutableTree } from '../../../../src/repo/core/tree.ts'

/** Lengths around the size of a page of texts, 65536 bytes, with the bytes of their length. */
const LENGTHS = [1, 127, 128, 65_530, 65_531, 65_533, 65_536, 65_537, 131_066, 131_073, 200_000, 3]

describe('LinkTable', () => {
  test('keeps texts of all lengths, and finds links by them', () => {
    const tree = new MutableTree()
    const table = new LinkTable()
    const texts = LENGTHS.flatMap((length) => ['a'.repeat(length), 'ä'.repeat(length), `${length}`])
    for (const [n, text] of texts.entries()) table.add(tree, text, `${text}/x`, `d/${text}`, n * 512)
    for (const [n, text] of texts.entries()) {
      expect(table.nameOf(n) === text && table.targetOf(n) === `${text}/x` && table.pathOf(n) === `d/${text}`).toBe(
        true,
      )
      expect(table.find(tree, text)).toBe(texts.lastIndexOf(text))
    }
    expect(table.find(tree, 'b')).toBeUndefined()
  })

  test('keeps the texts of a link and of those behind it when the memory of links before it is freed', () => {
    const tree = new MutableTree()
    const table = new LinkTable()
    const count = 3000
    const name = (n: number) => String(n).padEnd(n % 1000 === 0 ? 100_000 : 50 + (n % 70), 'x')
    // Ten links each have one target, whose text is stored once.
    const target = (n: number) => `target-${Math.floor(n / 10)}`
    for (let n = 0; n < count; n++) table.add(tree, name(n), target(n), name(n), n)
    for (let n = 0; n < count; n++) {
      table.releaseBefore(n)
      for (const m of [n, Math.min(n + 1, count - 1), count - 1]) {
        expect(table.nameOf(m) === name(m) && table.targetOf(m) === target(m)).toBe(true)
      }
    }
    expect(() => table.nameOf(0)).toThrow()
    table.release()
    expect(table.count).toBe(0)
  })
})
