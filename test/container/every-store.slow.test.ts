/** Runs the conformance suite of image stores on every kind of store, in every mode, on both platforms. */
import { join } from 'node:path'
import * as vitest from 'vitest'
import { createMemoryStorage, Repo } from '../../src/repo/index.ts'
import { createRepo } from '../../src/repo/local.ts'
import { createSqliteStorage } from '../../src/repo/stores/sqlite/open.ts'
import { imageStoreSuite } from '../../src/testing/index.ts'
import { MODES, PLATFORMS } from '../support/backends.ts'
import { isRoot } from '../support/machine.ts'
import { temporaryFolder } from '../support/temporary.ts'

const root = temporaryFolder()
let made = 0
const path = () => join(root, String(made++))
const owner = isRoot ? undefined : { uid: process.getuid?.() ?? 0, gid: process.getgid?.() ?? 0 }

for (const platform of PLATFORMS) {
  imageStoreSuite(vitest, `memory, ${platform.name}`, {
    platform,
    modes: MODES,
    create: (mode) => Repo.open(createMemoryStorage({ mode, platform }), platform),
  })

  for (const compression of ['none', 'deflate'] as const) {
    imageStoreSuite(vitest, `sqlite, compression ${compression}, ${platform.name}`, {
      platform,
      modes: MODES,
      create: async (mode) =>
        Repo.open(await createSqliteStorage(`${path()}.sqlite`, { mode, platform, compression }), platform),
    })
  }

  imageStoreSuite(vitest, `directory, ${platform.name}`, {
    platform,
    modes: MODES,
    owner,
    create: (mode) => createRepo(path(), { mode, platform }),
  })
}
