/**
 * Makes the folders that all temporary files of a run are in, and removes them when the run ends. If the run is killed,
 * the next one removes them.
 */
import { tmpdir } from 'node:os'
import { fileURLToPath } from 'node:url'
import type { TestProject } from 'vitest/node'
import { memoryDirectory } from '../machine.ts'
import { removeFolder } from '../remove-folder.ts'
import { createRunFolder } from './run-folder.ts'

declare module 'vitest' {
  interface ProvidedContext {
    /** Parents of temporary folders, by the kind of place that a test needs (see temporary.ts). */
    runFolders: { readonly disk: string; readonly memory: string; readonly modules: string }
  }
}

export default function setup(project: TestProject): () => void {
  const before = process.env['TMPDIR']
  const memory = createRunFolder(memoryDirectory())
  const disk = createRunFolder(tmpdir())
  const modules = createRunFolder(fileURLToPath(new URL('../../../node_modules/.cache', import.meta.url)))
  project.provide('runFolders', { disk, memory, modules })
  // Workers, and the programs that tests start, inherit it: what they store temporarily is removed with the folder.
  process.env['TMPDIR'] = disk
  const remove = () => {
    for (const path of [memory, disk, modules]) removeFolder(path)
  }
  process.once('exit', remove)
  return () => {
    process.off('exit', remove)
    if (before === undefined) delete process.env['TMPDIR']
    else process.env['TMPDIR'] = before
    remove()
  }
}
