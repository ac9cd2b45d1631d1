import { renameSync } from 'node:fs'
import {
  formatLayerStatus,
  formatOstreeImageReference,
  ImageImporter,
  type ImportOptions,
  type ImportResult,
  imageFilteredContentWarning,
  type LostEntries,
  lostEntriesWarnings,
  manifestDiff,
  type PreparedImport,
} from '../../../container/index.ts'
import { canonicalJson, formatManifestDiff } from '../../../container/internal.ts'
import { UsageError } from '../../../errors.ts'
import type { Repo } from '../../../repo/index.ts'
import { withIo } from '../../../system/errno.ts'
import { command } from '../../command.ts'
import { importSettings } from '../../container/image-import.ts'
import { metadataPolicy, parseReference } from '../../container/image-reference.ts'
import { PROXY_OPTIONS } from '../../container/registry-access.ts'
import type { TimedImport } from '../../stages/timed-import.ts'
import { printTimings, TIMINGS_OPTION } from '../../stages/timings.ts'
import { ProgressBar } from '../../text/progress-bar.ts'
import { writeFile } from '../../values.ts'

interface Result {
  changed: boolean
  image: string
  mergeCommit: string
  manifestDigest: string
  layersFetched: number
  filtered: Record<string, Record<string, number>>
  lost: Record<string, LostEntries>
}

function result(image: string, changed: boolean, state: Pick<ImportResult, 'mergeCommit' | 'manifestDigest'>): Result {
  const { mergeCommit, manifestDigest } = state
  return { changed, image, mergeCommit, manifestDigest, layersFetched: 0, filtered: {}, lost: {} }
}

/** Writes the manifest to `path` atomically: to a temporary file first, which is then renamed. */
function writeCheck(path: string, { manifest }: PreparedImport): undefined {
  const temporary = `${path}.${process.pid}.tmp`
  writeFile(temporary, canonicalJson(manifest))
  withIo(path, () => renameSync(temporary, path))
}

/** Opens a repository for an import that is measured. */
async function openTimed(path: string): Promise<TimedImport> {
  return (await import('../../stages/timed-import.ts')).TimedImport.open(path)
}

export const imagePull = command({
  name: 'container image pull',
  summary: 'Fetch an image into the repository',
  usage: 'REPO IMGREF',
  repo: true,
  creates: true,
  long: true,
  options: {
    ...PROXY_OPTIONS,
    'ostree-digestfile': { type: 'string', arg: 'PATH', help: 'Write the checksum of the merge commit to PATH' },
    metadata: {
      type: 'string',
      arg: 'POLICY',
      help: 'exact keeps all metadata; compat flattens that of directories, links and empty files as ostree-ext does',
    },
    'no-imgref': { type: 'flag', help: 'Do not write a ref for the image' },
    'no-labels': { type: 'flag', help: 'Do not set SELinux labels, even if the image has a policy' },
    'disable-gc': { type: 'flag', help: 'Keep layers that no image needs' },
    check: { type: 'string', arg: 'PATH', help: 'Do not fetch layers; write the manifest of a newer image to PATH' },
    quiet: { type: 'flag', short: 'q', help: 'Show no progress' },
    ...TIMINGS_OPTION,
    json: { type: 'flag', help: 'Print events and result as JSON, one object per line' },
  },
  async run({ repo, repoPath, args, options, out, err, signal }) {
    const named = [...args]
    const reference = named.pop()
    const given = named.pop()
    if (reference === undefined || named.length > 0) throw new UsageError('REPO and IMGREF must be specified')
    const image = parseReference(reference)
    const name = formatOstreeImageReference(image)
    const metadata = metadataPolicy(options.metadata)

    const opened = await repo(given)
    await using timed = options.timings ? await openTimed(given ?? repoPath()) : undefined
    const bar = options.quiet || options.json ? undefined : new ProgressBar(err)
    const pull = async (into: Repo): Promise<Result | undefined> => {
      const listen = options.json ? (event: object): void => out.json(event) : bar?.listen
      const settings: ImportOptions = {
        ...(await importSettings(image, options)),
        onWarning: (message) => err.line(`warning: ${message}`),
        noImgref: options['no-imgref'],
        disableGc: options['disable-gc'],
        noLabels: options['no-labels'],
        metadata,
        signal,
        onProgress: listen,
      }
      await using importer = new ImageImporter(into, image, timed?.options(settings) ?? settings)
      const prepared = await importer.prepare()
      if (prepared.kind === 'already-present') return result(name, false, prepared.state)
      if (options.check !== undefined) return writeCheck(options.check, prepared.prepared)
      // `await` is needed, because leaving this block closes the image.
      return await fetch(importer, prepared.prepared)
    }
    const fetch = async (importer: ImageImporter, prepared: PreparedImport): Promise<Result> => {
      const { previousState, manifest } = prepared
      const status = formatLayerStatus(prepared)
      if (!options.json) {
        if (previousState !== undefined) out.write(formatManifestDiff(manifestDiff(previousState.manifest, manifest)))
        if (status !== undefined) out.line(status)
      }
      out.flush()
      const imported = await importer.import(prepared)
      bar?.end()
      const warning = imageFilteredContentWarning(imported.filteredFiles)
      if (warning !== undefined && !options.json) err.line(warning)
      if (!options.json) for (const line of lostEntriesWarnings(imported.lostEntries)) err.line(`warning: ${line}`)
      if (imported.verifyText !== undefined && !options.json) out.line(imported.verifyText)
      const filtered = [...(imported.filteredFiles ?? [])].map(([digest, counts]) => [
        digest,
        Object.fromEntries(counts),
      ])
      return {
        ...result(name, true, imported),
        layersFetched: imported.layersFetched,
        filtered: Object.fromEntries(filtered),
        lost: Object.fromEntries(imported.lostEntries ?? []),
      }
    }

    try {
      const pulled = await pull(timed?.repo ?? opened)
      if (pulled === undefined) return
      const digestFile = options['ostree-digestfile']
      if (digestFile !== undefined) writeFile(digestFile, pulled.mergeCommit)
      if (options.json) out.json({ kind: 'result', ...pulled, timings: timed?.times })
      else if (pulled.changed) out.line(`Wrote: ${name} => ${pulled.mergeCommit}`)
      else out.line(`No changes in ${name} => ${pulled.mergeCommit}`)
      if (timed !== undefined && !options.json) printTimings(out, timed.times)
    } finally {
      bar?.end()
    }
  },
})
