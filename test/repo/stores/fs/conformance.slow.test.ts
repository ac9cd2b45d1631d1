import { join } from 'node:path'
import * as vitest from 'vitest'
import { nodePlatform } from '../../../../src/platform/node.ts'
import { initFsStorage, openFsStorage } from '../../../../src/repo/stores/fs/index.ts'
import { storageSuite } from '../../../../src/testing/suites/index.ts'
import { threadProgram } from '../../../support/bundle.ts'
import { isRoot } from '../../../support/machine.ts'
import { temporaryFolder } from '../../../support/temporary.ts'

const platform = nodePlatform
const root = temporaryFolder()
let made = 0

storageSuite(vitest, 'directory', {
  platform,
  modes: ['archive', 'bare-user-only', 'bare-user', 'bare'],
  owner: isRoot ? undefined : { uid: process.getuid?.() ?? 0, gid: process.getgid?.() ?? 0 },
  create: (mode) => initFsStorage(join(root, `repo-${made++}`), { mode, platform }),
  reopen: (storage) => openFsStorage(storage.location, { platform }),
})

/** The store as it is if the package koffi cannot be loaded. */
storageSuite(vitest, 'directory without native calls', {
  platform,
  modes: ['archive', 'bare-user-only'],
  create: (mode) => initFsStorage(join(root, `repo-${made++}`), { mode, platform, native: null }),
  reopen: (storage) => openFsStorage(storage.location, { platform, native: null }),
})

const writers = { count: 2, program: threadProgram('write-worker'), after: 1 }

storageSuite(vitest, 'directory with writer threads', {
  platform,
  modes: ['archive', 'bare-user'],
  create: (mode) => initFsStorage(join(root, `repo-${made++}`), { mode, platform, writers }),
  reopen: (storage) => openFsStorage(storage.location, { platform, writers }),
})
