import * as vitest from 'vitest'
import { nodePlatform } from '../../../src/platform/node.ts'
import { createMemoryStorage } from '../../../src/repo/index.ts'
import { storageSuite } from '../../../src/testing/index.ts'

storageSuite(vitest, 'memory', {
  platform: nodePlatform,
  modes: ['archive', 'bare-user-only', 'bare-user', 'bare'],
  create: async (mode) => createMemoryStorage({ mode, platform: nodePlatform }),
})
