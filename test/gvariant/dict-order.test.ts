import { describe, expect, test } from 'vitest'
import { GHashOrder } from '../../src/gvariant/internal.ts'
import { goldenJson } from '../support/golden.ts'

interface OrderVector {
  readonly start?: readonly string[]
  readonly insert?: readonly string[]
  readonly remove?: readonly string[]
  readonly order: readonly string[]
}

describe('the order of a GLib hash table', () => {
  test.each(goldenJson<OrderVector[]>('core/hash-order.json'))(
    'keys are in the order of GLib after $insert and without $remove',
    (vector) => {
      const table = new GHashOrder<number>()
      for (const key of vector.start ?? []) table.set(key, 0)
      for (const key of vector.insert ?? []) table.set(key, 1)
      for (const key of vector.remove ?? []) table.delete(key)
      expect([...table].map(([key]) => key)).toEqual(vector.order)
      expect(table.size).toBe(vector.order.length)
    },
  )

  test('a key that is set twice keeps its place and has the last value', () => {
    const table = new GHashOrder([
      ['a', 1],
      ['b', 2],
      ['a', 3],
    ])
    expect([...table]).toEqual([
      ['b', 2],
      ['a', 3],
    ])
    expect(table.get('a')).toBe(3)
    expect(table.get('c')).toBeUndefined()
    expect(table.has('b')).toBe(true)
    expect(table.delete('b')).toBe(true)
    expect(table.delete('b')).toBe(false)
    expect(table.has('b')).toBe(false)
    expect(table.get('b')).toBeUndefined()
  })

  test('the keys that are left of ten thousand are found', () => {
    const table = new GHashOrder<number>()
    for (let i = 0; i < 10_000; i++) table.set(`key-${i}`, i)
    for (let i = 0; i < 10_000; i++) if (i % 7 !== 0) expect(table.delete(`key-${i}`)).toBe(true)
    const left = [...table]
    expect(left).toHaveLength(1429)
    expect(new Set(left.map(([, value]) => value % 7))).toEqual(new Set([0]))
    for (const [key, value] of left) expect(table.get(key)).toBe(value)
  })
})
