/** Measures the stages of an import. It runs in one thread, and fetches nothing ahead: else stages would overlap. */
import { type ImageSource, type ImportOptions, openImage } from '../../container/index.ts'
import type { Progress } from '../../progress.ts'
import { Repo } from '../../repo/index.ts'
import { openRepo } from '../../repo/local.ts'
import { threadedPlatform } from '../../system/threaded-platform.ts'
import { environmentOptions } from '../local-repo.ts'
import { StageClock, type StageTimes } from './stage-clock.ts'
import { timedPlatform } from './timed-platform.ts'
import { timedStorage } from './timed-transaction.ts'

/** An import that is measured, from when this is created. */
export class TimedImport implements AsyncDisposable {
  /** What to import into. */
  readonly repo: Repo
  readonly #clock: StageClock
  readonly #opened: Repo

  private constructor(repo: Repo, opened: Repo, clock: StageClock) {
    this.repo = repo
    this.#opened = opened
    this.#clock = clock
  }

  /** Opens a repository. Errors are those of `openRepo`. */
  static async open(path: string): Promise<TimedImport> {
    const clock = new StageClock()
    const platform = timedPlatform(threadedPlatform, clock, 'hash')
    const opened = await openRepo(path, { ...environmentOptions(), platform })
    const { storage, parent } = opened
    const importing = timedPlatform(threadedPlatform, clock, 'digest')
    return new TimedImport(await Repo.open(timedStorage(storage, clock), importing, { parent }), opened, clock)
  }

  /** Returns the options of the import, changed so that it is measured. */
  options(options: ImportOptions): ImportOptions {
    const { onProgress, open = openImage } = options
    return {
      ...options,
      threads: undefined,
      readAhead: { layers: 0 },
      open: async (image, context) => timedSource(await open(image, context), this.#clock),
      onProgress: (event: Progress): unknown => {
        this.#clock.listen(event)
        return onProgress?.(event)
      },
    }
  }

  /** The times until now. */
  get times(): StageTimes {
    return this.#clock.times()
  }

  [Symbol.asyncDispose](): PromiseLike<void> {
    return this.#opened[Symbol.asyncDispose]()
  }
}

function timedSource(source: ImageSource, clock: StageClock): ImageSource {
  return new Proxy(source, {
    get(target, key) {
      if (key === 'blob') return (...layer: Parameters<ImageSource['blob']>) => clock.fetched(target.blob(...layer))
      const value: unknown = Reflect.get(target, key, target)
      return typeof value === 'function' ? value.bind(target) : value
    },
  })
}
