/** The library with repository directories in a process of its own, that can be stopped and killed. */
import { pathToFileURL } from 'node:url'
import { bundleScript } from '../../../support/bundle.ts'
import { Child, TALK } from '../../../support/child-process.ts'

let bundled: string | undefined

/** Bundles what children use, once for all tests of a file. @returns the URL of the module */
export function storeModule(): string {
  bundled ??= bundleScript(
    'store',
    `
      export { initFsStorage, openFsStorage } from './src/repo/stores/fs/index.ts'
      export { Thread } from './src/system/threads/thread.ts'
      export { createCheckoutTarget, openRepo } from './src/repo/local.ts'
      export { checkout } from './src/repo/index.ts'
      export { nodePlatform } from './src/platform/node.ts'
      export { linkTo, regular, writeFlatCommit } from './test/support/flat-commits.ts'
    `,
  )
  return pathToFileURL(bundled).href
}

/** Starts a script in which `store` is that module, and `say(line)` writes a line to the test. */
export function startStoreScript(script: string, env: Record<string, string> = {}): Child {
  const source = `
    ${TALK}
    const store = await import(${JSON.stringify(storeModule())})
    ${script}
  `
  return new Child(['--input-type=module', '-e', source], { env })
}
