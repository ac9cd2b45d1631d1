import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { editDistance, nearestNames } from '../../../src/cli/hints/nearest.ts'

describe('nearestNames', () => {
  const names = ['cat', 'checkout', 'checksum', 'commit', 'pull', 'pull-local', 'rev-parse']

  test.each([
    ['comit', ['commit']],
    ['commti', ['commit']],
    ['chekcout', ['checkout']],
    ['revparse', ['rev-parse']],
    ['check', ['checkout', 'checksum']],
    ['pul', ['pull', 'pull-local']],
    ['r', ['rev-parse']],
    ['x', []],
    ['xyzzy', []],
    ['', []],
    ['c'.repeat(1000), []],
  ])('the names near %j are %j', (word, near) => {
    expect(nearestNames(word, names)).toEqual(near)
  })

  test('at most three names are returned', () => {
    expect(nearestNames('ab1', ['ab2', 'ab3', 'ab4', 'ab5'])).toEqual(['ab2', 'ab3', 'ab4'])
  })
})

describe('editDistance', () => {
  const word = fc.string({ unit: fc.constantFrom('a', 'b', 'c'), maxLength: 6 })

  test('the distance is symmetric, 0 only between equal words, and at most the longer length', () => {
    fc.assert(
      fc.property(word, word, (a, b) => {
        const distance = editDistance(a, b, 10)
        expect(distance).toBe(editDistance(b, a, 10))
        expect(distance === 0).toBe(a === b)
        expect(distance).toBeLessThanOrEqual(Math.max(a.length, b.length))
      }),
    )
  })

  test('one insertion, deletion, replacement or swap is a distance of 1', () => {
    for (const other of ['abxc', 'ac', 'axc', 'acb']) expect(editDistance('abc', other, 10)).toBe(1)
  })
})
