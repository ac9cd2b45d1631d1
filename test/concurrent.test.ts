import { setTimeout } from 'node:timers/promises'
import { describe, expect, test } from 'vitest'
import { mapConcurrently } from '../src/concurrent.ts'
import { UsageError } from '../src/errors.ts'

describe('mapConcurrently', () => {
  test.each([1, 3, 10])(
    'results are in the order of the items, with at most %i calls at the same time',
    async (limit) => {
      let running = 0
      let most = 0
      const results = await mapConcurrently([30, 1, 20, 2, 10], limit, async (ms, index) => {
        most = Math.max(most, ++running)
        await setTimeout(ms)
        running--
        return `${index}: ${ms}`
      })
      expect(results).toEqual(['0: 30', '1: 1', '2: 20', '3: 2', '4: 10'])
      expect(most).toBe(Math.min(limit, 5))
    },
  )

  test.each([0, -1, Number.NaN])('a limit of %s is refused, and no call is made', async (limit) => {
    const never = () => Promise.reject(new Error('called'))
    await expect(mapConcurrently([1], limit, never)).rejects.toBeInstanceOf(UsageError)
  })

  test('an empty list has an empty list of results', async () => {
    expect(await mapConcurrently([], 3, async () => 1)).toEqual([])
  })

  test('the first error is thrown when all running calls have settled, and no further call is made', async () => {
    const events: string[] = []
    const working = mapConcurrently(['slow', 'broken', 'late failure', 'never'], 3, async (item) => {
      events.push(`${item} begins`)
      await setTimeout(item === 'slow' ? 60 : item === 'broken' ? 10 : 30)
      events.push(`${item} ends`)
      if (item !== 'slow') throw new Error(item)
    })
    await expect(working).rejects.toThrow(/^broken$/)
    expect(events).toEqual([
      'slow begins',
      'broken begins',
      'late failure begins',
      'broken ends',
      'late failure ends',
      'slow ends',
    ])
  })
})
