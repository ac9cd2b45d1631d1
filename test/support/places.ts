/**
 * Every store on every platform, once for all tests that hold wherever objects are kept:
 *
 * ```
 *              node        portable
 * memory       any mode    any mode
 * sqlite       any mode    any mode
 * directory    any mode, but `bare` as root only: its inodes have the owners of its files
 * ```
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, describe, test } from 'vitest'
import type { Platform } from '../../src/platform/index.ts'
import { nodePlatform } from '../../src/platform/node.ts'
import { portablePlatform } from '../../src/platform/portable.ts'
import { createMemoryStorage, Repo, type RepoMode } from '../../src/repo/index.ts'
import { createRepo } from '../../src/repo/local.ts'
import { isRoot, testParent } from '../repo/stores/fs/places.ts'

export const PLATFORMS: readonly Platform[] = [nodePlatform, portablePlatform]
export const STORES = ['memory', 'sqlite', 'directory'] as const
export const MODES = ['archive', 'bare-user-only', 'bare-user', 'bare'] as const satisfies readonly RepoMode[]

export type Store = (typeof STORES)[number]

/** One store on one platform. */
export interface Place {
  /** For titles: `sqlite, portable`. */
  readonly name: string
  readonly store: Store
  readonly platform: Platform
}

export const PLACES: readonly Place[] = STORES.flatMap((store) =>
  PLATFORMS.map((platform) => ({ name: `${store}, ${platform.name}`, store, platform })),
)

/** Whether this process can keep a repository of that mode there: in `bare` the inodes have the owners of the files. */
export function canKeep({ store }: Pick<Place, 'store'>, mode: RepoMode): boolean {
  return store !== 'directory' || mode !== 'bare' || isRoot
}

/** A `test` with a repository of that mode; where it cannot be kept, the test is passed over and says why. */
export function testIn(place: Place, mode: RepoMode, title: string, work: () => Promise<void>): void {
  const possible = canKeep(place, mode)
  test.runIf(possible)(possible ? title : `${title} (needs root: files of mode bare have owners)`, work)
}

/** As `testIn`, for all tests of the group. */
export function describeIn(place: Place, mode: RepoMode, title: string, body: () => void): void {
  const possible = canKeep(place, mode)
  describe.runIf(possible)(possible ? title : `${title} (needs root: files of mode bare have owners)`, body)
}

export interface Places {
  /** A new, empty repository. Closed, if it is not yet, and gone when the tests of the file are done. */
  create(place: Place, mode: RepoMode): Promise<Repo>
  /** A new path below the directory the repositories are in. */
  path(): string
}

/** Where the tests of one file put their repositories. */
export function makePlaces(): Places {
  const root = mkdtempSync(join(testParent, 'ostree-ts-places-'))
  const repos: Repo[] = []
  afterAll(async () => {
    for (const repo of repos) await repo.close()
    rmSync(root, { recursive: true, force: true })
  })
  let count = 0
  const path = () => join(root, String(count++))
  return {
    path,
    async create({ store, platform }, mode) {
      const repo =
        store === 'memory'
          ? await Repo.open(createMemoryStorage({ mode, platform }), platform)
          : await createRepo(store === 'sqlite' ? `${path()}.sqlite` : path(), { mode, platform })
      repos.push(repo)
      return repo
    },
  }
}
