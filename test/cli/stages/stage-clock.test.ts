import { expect, test } from 'vitest'
import { StageClock } from '../../../src/cli/stages/stage-clock.ts'

/** A clock that a test sets, in milliseconds. */
class Hands {
  at = 0
  readonly now = (): number => this.at
}

const NONE = { fetch: 0, inflate: 0, digest: 0, parse: 0, hash: 0, write: 0, merge: 0, sync: 0 }
const LAYER = { digest: 'sha256:00', index: 0, total: 1, size: 1 }

async function* after(hands: Hands, times: readonly number[]): AsyncGenerator<Uint8Array> {
  for (const milliseconds of times) {
    hands.at += milliseconds
    yield new Uint8Array(1)
  }
}

test('the time before the first layer counts for fetch, of a layer for parse, and after the layers for merge', () => {
  const hands = new Hands()
  const clock = new StageClock(hands.now)
  hands.at = 1000
  clock.listen({ kind: 'layer-start', ...LAYER })
  hands.at = 3000
  clock.listen({ kind: 'layer-done', ...LAYER })
  hands.at = 7000
  expect(clock.times()).toEqual({ ...NONE, fetch: 1, parse: 2, merge: 4 })
})

test('work inside other work counts for its own stage only', () => {
  const hands = new Hands()
  const clock = new StageClock(hands.now)
  clock.listen({ kind: 'layer-start', ...LAYER })
  clock.measure('write', () => {
    hands.at += 1000
    clock.measure('hash', () => {
      hands.at += 2000
    })
    hands.at += 4000
  })
  expect(clock.times()).toEqual({ ...NONE, write: 5, hash: 2 })
})

test('work that throws is no longer counted', () => {
  const hands = new Hands()
  const clock = new StageClock(hands.now)
  clock.listen({ kind: 'layer-start', ...LAYER })
  const fail = () => {
    hands.at += 1000
    throw new Error('damaged')
  }
  expect(() => clock.measure('write', fail)).toThrow('damaged')
  hands.at += 2000
  expect(clock.times()).toEqual({ ...NONE, write: 1, parse: 2 })
})

test('waiting for decompressed bytes is fetch as long as compressed bytes are missing, else inflate', async () => {
  const hands = new Hands()
  const clock = new StageClock(hands.now)
  clock.listen({ kind: 'layer-start', ...LAYER })
  async function* inflate() {
    for await (const chunk of clock.fetched(after(hands, [1000, 1000]))) {
      hands.at += 2000
      yield chunk
    }
  }
  for await (const chunk of clock.inflated(inflate())) {
    hands.at += 4000
    clock.measure('digest', () => {
      hands.at += 8000 * chunk.length
    })
  }
  expect(clock.times()).toEqual({ ...NONE, fetch: 2, inflate: 4, parse: 8, digest: 16 })
})

test('bytes of a layer that is not compressed are fetched, too', async () => {
  const hands = new Hands()
  const clock = new StageClock(hands.now)
  clock.listen({ kind: 'layer-start', ...LAYER })
  for await (const _ of clock.fetched(after(hands, [1000]))) hands.at += 2000
  expect(clock.times()).toEqual({ ...NONE, fetch: 1, parse: 2 })
})

test('all that is done during a checkpoint counts for sync', async () => {
  const hands = new Hands()
  const clock = new StageClock(hands.now)
  clock.listen({ kind: 'layer-start', ...LAYER })
  await clock.measureAll('sync', async () => {
    clock.measure('write', () => {
      hands.at += 1000
    })
  })
  hands.at += 2000
  expect(clock.times()).toEqual({ ...NONE, sync: 1, parse: 2 })
})
