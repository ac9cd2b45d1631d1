import { setTimeout } from 'node:timers/promises'
import { describe, expect, test } from 'vitest'
import { mapConcurrently } from '../src/concurrent.ts'

describe('work on many things', () => {
  test.each([1, 3, 10])('gives the results in order, with at most %i calls at once', async (limit) => {
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
  })

  test('of which there are none has no results', async () => {
    expect(await mapConcurrently([], 3, async () => 1)).toEqual([])
  })

  test('throws the first error once all running calls have settled, and makes no further call', async () => {
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
