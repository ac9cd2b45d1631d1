import { join } from 'node:path'
import { afterAll, describe, test } from 'vitest'
import type { Platform } from '../../src/platform/index.ts'
import { nodePlatform } from '../../src/platform/node.ts'
import { portablePlatform } from '../../src/platform/portable.ts'
import { createMemoryStorage, Repo, type RepoMode } from '../../src/repo/index.ts'
import { createRepo } from '../../src/repo/local.ts'
import { isRoot } from './machine.ts'
import { temporaryFolder } from './temporary.ts'

export const PLATFORMS: readonly Platform[] = [nodePlatform, portablePlatform]
export const STORES = ['memory', 'sqlite', 'directory'] as const
export const MODES = ['archive', 'bare-user-only', 'bare-user', 'bare'] as const satisfies readonly RepoMode[]

export type Store = (typeof STORES)[number]

/** A store on a platform. */
export interface Backend {
  /** For titles: `sqlite, portable`. */
  readonly name: string
  readonly store: Store
  readonly platform: Platform
}

export const BACKENDS: readonly Backend[] = STORES.flatMap((store) =>
  PLATFORMS.map((platform) => ({ name: `${store}, ${platform.name}`, store, platform })),
)

/** Whether this process can create a repository of a mode in a store. A directory of mode `bare` needs root. */
export function supportsMode({ store }: Pick<Backend, 'store'>, mode: RepoMode): boolean {
  return store !== 'directory' || mode !== 'bare' || isRoot
}

/** Defines a test that needs a repository of a mode. Where it cannot be created, the test is skipped and its title says why. */
export function testWith(backend: Backend, mode: RepoMode, title: string, work: () => Promise<void>): void {
  const possible = supportsMode(backend, mode)
  test.runIf(possible)(possible ? title : `${title} (needs root)`, work)
}

/** Like `testWith`, for a group of tests. */
export function describeWith(backend: Backend, mode: RepoMode, title: string, body: () => void): void {
  const possible = supportsMode(backend, mode)
  describe.runIf(possible)(possible ? title : `${title} (needs root)`, body)
}

export interface TestRepos {
  /** Creates an empty repository. It is closed and removed when the tests of the file are done. */
  create(backend: Backend, mode: RepoMode): Promise<Repo>
  /** Returns a path in the directory of the repositories at which nothing is stored yet. */
  path(): string
}

/** Creates a directory for the repositories of the tests of a file. */
export function testRepos(): TestRepos {
  const root = temporaryFolder()
  const repos: Repo[] = []
  afterAll(async () => {
    for (const repo of repos) await repo.close()
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
