import { gcImageLayers, planLayerGc } from '../../../container/index.ts'
import { command } from '../../command.ts'
import { printLayerPlan } from '../../container/layer-report.ts'

export const imagePruneLayers = command({
  name: 'container image prune-layers',
  summary: 'Remove layers that no image needs',
  usage: '',
  repo: true,
  long: true,
  options: {
    'dry-run': { type: 'flag', help: 'Only print what would be removed, and why the rest is kept' },
    json: { type: 'flag', help: 'Print one JSON object' },
  },
  async run({ repo, options, out }) {
    const opened = await repo()
    if (options['dry-run']) {
      const plan = await planLayerGc(opened)
      return options.json ? out.json(plan) : printLayerPlan(out, plan)
    }
    const layers = await gcImageLayers(opened)
    if (options.json) out.json({ layers })
    else out.line(`Removed layers: ${layers}`)
  },
})
