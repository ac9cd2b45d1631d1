import {
  formatImageReference,
  gcImageLayers,
  type ImageReference,
  listImages,
  parseImageReference,
  planLayerGc,
  removeImages,
} from '../../../container/index.ts'
import { NotFoundError, UsageError } from '../../../errors.ts'
import type { Repo } from '../../../repo/index.ts'
import { command } from '../../command.ts'
import { printLayerPlan } from '../../container/layer-report.ts'

/** @throws {NotFoundError} when an image is not stored */
async function requireStored(repo: Repo, images: readonly ImageReference[]): Promise<void> {
  const stored = new Set(await listImages(repo, () => {}))
  const missing = images.map(formatImageReference).filter((name) => !stored.has(name))
  if (missing.length > 0) throw new NotFoundError(missing.join(' '), `Missing images: ${missing.join('')}`)
}

export const imageRemove = command({
  name: 'container image remove',
  summary: 'Remove images and the layers that no other image needs',
  usage: 'IMGREF...',
  repo: true,
  long: true,
  options: {
    'skip-gc': { type: 'flag', help: 'Keep the layers' },
    'dry-run': { type: 'flag', help: 'Only print what would be removed, and why the rest is kept' },
    json: { type: 'flag', help: 'Print one JSON object' },
  },
  async run({ repo, args, options, out }) {
    if (args.length === 0) throw new UsageError('IMGREF must be specified')
    const images = args.map(parseImageReference)
    const names = images.map(formatImageReference)
    const opened = await repo()
    const skipGc = options['skip-gc']
    if (options['dry-run']) {
      await requireStored(opened, images)
      const plan = skipGc ? undefined : await planLayerGc(opened, { without: images })
      if (options.json) return out.json({ images: names, ...plan })
      for (const name of names) out.line(`Would remove image ${name}`)
      if (plan !== undefined) printLayerPlan(out, plan)
      return
    }
    await removeImages(opened, images)
    const layers = skipGc ? undefined : await gcImageLayers(opened)
    if (options.json) out.json({ images: names, layers })
    else out.line(`Removed images: ${images.length}${layers === undefined ? '' : ` layers: ${layers}`}`)
  },
})
