/** The work of the processes that `bench` starts of its own program, and measures. */
import { closeSync, openSync, writeSync } from 'node:fs'
import { ImageImporter, type ImportOptions } from '../../../container/index.ts'
import { layerThreads } from '../../../container/local.ts'
import { UsageError } from '../../../errors.ts'
import { nodePlatform } from '../../../platform/node.ts'
import { createMemoryStorage, Repo, uncompressedTar } from '../../../repo/index.ts'
import { nodeFiles } from '../../../system/local-files.ts'
import { importSettings } from '../../container/image-import.ts'
import { parseReference } from '../../container/image-reference.ts'
import { createRepo } from '../../local-repo.ts'
import type { StageTimes } from '../../stages/stage-clock.ts'
import { TimedImport } from '../../stages/timed-import.ts'
import { type StoreName, storePath } from './stores.ts'

/** Work, as the JSON value of an argument. */
export type ChildWork =
  /** Imports an image. */
  | {
      readonly work: 'import'
      readonly image: string
      readonly store: StoreName
      readonly target: string
      readonly lanes: number | null
    }
  /** Imports an image in one thread, and prints the seconds of its stages. */
  | { readonly work: 'stages'; readonly image: string; readonly store: StoreName; readonly target: string }
  /** Reads layers, computes the checksums of blob and tar, and writes the tar. */
  | { readonly work: 'floor'; readonly blobs: readonly string[]; readonly target: string }

/** Does the work. @returns the times of the stages, if they were asked for */
export async function doChildWork(work: ChildWork): Promise<StageTimes | undefined> {
  switch (work.work) {
    case 'floor':
      await floor(work.blobs, work.target)
      return undefined
    case 'import': {
      await using repo = await newRepo(work.store, work.target)
      await importImage(repo, work.image, (options) => ({ ...options, threads: lanesOf(work.lanes) }))
      return undefined
    }
    case 'stages': {
      if (work.store === 'memory') throw new UsageError('The stages of a store in memory are not measured')
      await (await newRepo(work.store, work.target)).close()
      await using timed = await TimedImport.open(storePath(work.store, work.target))
      await importImage(timed.repo, work.image, (options) => timed.options(options))
      return timed.times
    }
  }
}

async function importImage(
  repo: Repo,
  reference: string,
  adjusted: (options: ImportOptions) => ImportOptions,
): Promise<void> {
  const image = parseReference(reference)
  const settings = await importSettings(image, {
    'auth-anonymous': true,
    authfile: undefined,
    'cert-dir': undefined,
    'insecure-skip-tls-verification': false,
  })
  await using importer = new ImageImporter(repo, image, adjusted(settings))
  const prepared = await importer.prepare()
  if (prepared.kind === 'ready') await importer.import(prepared.prepared)
}

async function newRepo(store: StoreName, target: string): Promise<Repo> {
  if (store === 'memory') return Repo.open(createMemoryStorage({ platform: nodePlatform }), nodePlatform)
  if (store === 'sqlite') return createRepo(storePath(store, target))
  return createRepo(target, { mode: store })
}

/** Returns threads for a number of layers at the same time; with `null`, as many as an import uses by itself. */
function lanesOf(lanes: number | null): ImportOptions['threads'] {
  if (lanes === 1) return undefined
  const threads = layerThreads()
  if (lanes === null || threads === undefined) return threads
  const { platform, after } = threads
  return { platform, after, embedded: true, count: lanes, start: (mode) => threads.start(mode) }
}

async function floor(blobs: readonly string[], target: string): Promise<void> {
  const file = openSync(target, 'w')
  try {
    for (const path of blobs) {
      const [outer, inner] = [nodePlatform.createSha256(), nodePlatform.createSha256()]
      async function* counted() {
        for await (const chunk of nodeFiles.stream(path)) {
          outer.update(chunk)
          yield chunk
        }
      }
      for await (const chunk of uncompressedTar(nodePlatform, counted())) {
        inner.update(chunk)
        writeSync(file, chunk)
      }
      outer.digest()
      inner.digest()
    }
  } finally {
    closeSync(file)
  }
}
