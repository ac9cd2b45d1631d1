/** A platform whose hashing and decompression are counted by a `StageClock`. */
import type { Hasher, Platform } from '../../platform/index.ts'
import type { Stage, StageClock } from './stage-clock.ts'

/**
 * Returns a platform that does what `platform` does. Its name is not `node`, so that threads, which would not be measured,
 * are not used with it.
 * @param streaming the stage of hashes that are computed piece by piece; others are those of objects
 */
export function timedPlatform(platform: Platform, clock: StageClock, streaming: Stage): Platform {
  return {
    ...platform,
    name: 'timed',
    sha256: (...parts) => clock.measure('hash', () => platform.sha256(...parts)),
    createSha256: () => new TimedHasher(platform.createSha256(), clock, streaming),
    decompress: (kind, from, options) => clock.inflated(platform.decompress(kind, from, options)),
  }
}

class TimedHasher implements Hasher {
  readonly #hasher: Hasher
  readonly #clock: StageClock
  readonly #stage: Stage

  constructor(hasher: Hasher, clock: StageClock, stage: Stage) {
    this.#hasher = hasher
    this.#clock = clock
    this.#stage = stage
  }

  update(bytes: Uint8Array): void {
    this.#clock.measure(this.#stage, () => this.#hasher.update(bytes))
  }

  digest(): ReturnType<Hasher['digest']> {
    return this.#clock.measure(this.#stage, () => this.#hasher.digest())
  }
}
