import {
  formatImageReference,
  formatOstreeImageReference,
  type ImageReference,
  type PullPlan,
  planLayerGc,
  planPull,
} from '../../../container/index.ts'
import { formatManifestDiff, manifestDiffJson } from '../../../container/internal.ts'
import { OstreeError, UsageError } from '../../../errors.ts'
import { formatSize } from '../../../format-size.ts'
import type { Repo } from '../../../repo/index.ts'
import { hostPlatform } from '../../../system/host.ts'
import { nodeFiles } from '../../../system/local-files.ts'
import { command } from '../../command.ts'
import { parseReference } from '../../container/image-reference.ts'
import { hostPolicy, PROXY_OPTIONS, registryOptions } from '../../container/registry-access.ts'
import type { Output } from '../../text/output.ts'
import { formatTable } from '../../text/table.ts'

/** Digits of a layer's digest that are printed. */
const DIGEST_DIGITS = 19

export const imagePlan = command({
  name: 'container image plan',
  summary: 'Show what a pull would fetch',
  usage: 'REPO IMGREF',
  repo: true,
  options: { ...PROXY_OPTIONS, json: { type: 'flag', help: 'Print one JSON object' } },
  async run({ repo, args, options, out, err, signal }) {
    const named = [...args]
    const text = named.pop()
    const path = named.pop()
    if (text === undefined || named.length > 0) throw new UsageError('REPO and IMGREF must be specified')
    const image = parseReference(text)
    const opened = await repo(path)
    const plan = await planPull(opened, image, {
      host: hostPlatform(),
      files: nodeFiles,
      registry: image.imgref.transport === 'registry' ? await registryOptions(options) : undefined,
      policy: await hostPolicy(),
      onWarning: (message) => err.line(`warning: ${message}`),
      signal,
    })
    // The layers to be removed: only the stored image needs them, and the new one does not have them.
    const needed = new Set<string>(plan.layers.map(({ digest }) => digest))
    const unneeded = await planRemoval(opened, plan.diff === undefined ? [] : [image.imgref], (message) =>
      err.line(`warning: ${message}`),
    )
    const removed = unneeded.filter((digest) => !needed.has(digest))
    const name = formatOstreeImageReference(image)
    if (options.json) out.json({ image: name, ...plan, diff: plan.diff && manifestDiffJson(plan.diff), removed })
    else print(out, formatImageReference(image.imgref), plan, removed)
  },
})

/** Returns the layers that the pull would remove: none when a stored image cannot be read, as the pull then warns. */
async function planRemoval(
  repo: Repo,
  without: readonly ImageReference[],
  warn: (message: string) => void,
): Promise<string[]> {
  try {
    return (await planLayerGc(repo, { without })).unneeded.map(({ digest }) => digest)
  } catch (error) {
    if (!(error instanceof OstreeError)) throw error
    warn(`Layers that no image needs will not be removed: ${error.message}`)
    return []
  }
}

function print(out: Output, name: string, plan: PullPlan, removed: readonly string[]): void {
  const { changed, layers, fetchBytes, reuseBytes, diff, version, manifestDigest } = plan
  out.line(`${name}${version === undefined ? '' : ` ${version}`}`)
  out.line(`manifest ${manifestDigest}`)
  if (diff !== undefined) out.write(formatManifestDiff(diff))
  const rows = layers.map(({ action, digest, size, kind, createdBy }) => [
    action,
    digest.slice(digest.indexOf(':') + 1).slice(0, DIGEST_DIGITS),
    formatSize(size),
    kind,
    createdBy,
  ])
  out.write(formatTable([['ACTION', 'LAYER', 'SIZE', 'KIND', 'CREATED BY'], ...rows]))
  const count = (action: string) => layers.filter((layer) => layer.action === action).length
  out.line(`fetch: ${count('fetch')} layers, ${formatSize(fetchBytes)}`)
  out.line(`reuse: ${count('reuse')} layers, ${formatSize(reuseBytes)}`)
  if (removed.length > 0) out.line(`remove: ${removed.length} layers no longer needed`)
  if (!changed) out.line('No changes.')
}
