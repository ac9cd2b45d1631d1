import {
  formatImageReference,
  gcImageLayers,
  listUndeployedImages,
  planLayerGc,
  removeUndeployedImages,
} from '../../../container/index.ts'
import { UsageError } from '../../../errors.ts'
import { formatSize } from '../../../format-size.ts'
import { type PruneResult, prune } from '../../../repo/index.ts'
import { command } from '../../command.ts'
import { printLayerPlan } from '../../container/layer-report.ts'
import { openRepo } from '../../local-repo.ts'
import { listOrigins, sysrootRepo } from '../../sysroot.ts'

export const imagePruneImages = command({
  name: 'container image prune-images',
  summary: 'Remove images that no deployment uses',
  usage: '',
  repo: false,
  long: true,
  options: {
    sysroot: { type: 'string', arg: 'PATH', help: 'Root directory of the system' },
    'and-layers': { type: 'flag', help: 'Also remove layers that no image needs' },
    full: { type: 'flag', help: 'Also remove layers that no image needs, and unreachable objects' },
    'dry-run': { type: 'flag', help: 'Only print what would be removed, and why the rest is kept' },
    json: { type: 'flag', help: 'Print one JSON object' },
  },
  async run({ args, options, out, signal }) {
    const { sysroot, full, json } = options
    if (sysroot === undefined || args.length > 0) throw new UsageError('--sysroot must be specified')
    const andLayers = options['and-layers']
    if (andLayers && full) throw new UsageError('--and-layers and --full cannot be used together')
    await using repo = await openRepo(sysrootRepo(sysroot))
    const origins = listOrigins(sysroot)
    if (options['dry-run']) {
      const images = await listUndeployedImages(repo, origins)
      const names = images.map(formatImageReference)
      const plan = andLayers || full ? await planLayerGc(repo, { without: images }) : undefined
      if (json) return out.json({ images: names, ...plan })
      for (const name of names) out.line(`Would remove image ${name}`)
      if (names.length === 0) out.line('No unreferenced images.')
      if (plan !== undefined) printLayerPlan(out, plan)
      return
    }

    await using _ = await repo.storage.lock('exclusive')
    const images = (await removeUndeployedImages(repo, origins)).map(formatImageReference)
    const nothing = images.length === 0 && !full
    const layers = (andLayers && !nothing) || full ? await gcImageLayers(repo) : undefined
    const pruned = full ? await prune(repo, { refsOnly: true, depth: 0, signal }) : undefined
    if (json) {
      const objects = pruned && { objects: pruned.unreachable.length, bytes: pruned.bytes }
      out.json({ images, layers, ...objects })
    } else if (pruned !== undefined) {
      out.write(formatFull(images.length, layers ?? 0, pruned))
    } else {
      for (const name of images) out.line(`Removed: ${name}`)
      if (nothing) out.line('No unreferenced images.')
      else if (layers !== undefined) out.line(`Removed layers: ${layers}`)
    }
  },
})

function formatFull(images: number, layers: number, { unreachable, bytes }: PruneResult): string {
  if (images === 0 && layers === 0 && unreachable.length === 0) return 'No content was pruned.\n'
  const counts = `Removed images: ${images}\nRemoved layers: ${layers}\nRemoved objects: ${unreachable.length}\n`
  return `${counts}Freed: ${formatSize(bytes)}\n`
}
