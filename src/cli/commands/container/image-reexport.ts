import { exportImage, parseImageReference } from '../../../container/index.ts'
import { UsageError } from '../../../errors.ts'
import { hostPlatform } from '../../../system/host.ts'
import { nodeFiles } from '../../../system/local-files.ts'
import { command } from '../../command.ts'
import { COMPRESSION_OPTIONS, layerCompression } from '../../container/layer-compression.ts'
import { PROXY_OPTIONS, registryOptions } from '../../container/registry-access.ts'
import { parseBoolean } from '../../values.ts'

export const imageReexport = command({
  name: 'container image reexport',
  summary: 'Export a stored image',
  usage: 'IMGREF DESTINATION',
  repo: true,
  long: true,
  options: {
    ...PROXY_OPTIONS,
    ...COMPRESSION_OPTIONS,
    'keep-layer-notes': { type: 'flag', help: 'Keep annotations and history of each layer' },
    json: { type: 'flag', help: 'Print one JSON object' },
  },
  async run({ repo, args, options, out, signal }) {
    const [text, to, ...more] = args
    if (text === undefined || to === undefined || more.length > 0) {
      throw new UsageError('IMGREF and DESTINATION must be specified')
    }
    const target = parseImageReference(to)
    const digest = await exportImage(await repo(), parseImageReference(text), target, {
      host: hostPlatform(),
      files: nodeFiles,
      registry: target.transport === 'registry' ? await registryOptions(options) : undefined,
      skipCompression: options['compression-fast'] || undefined,
      compression: layerCompression(options),
      exactCompression: parseBoolean('exact-compression', options['exact-compression']),
      keepLayerNotes: options['keep-layer-notes'],
      signal,
    })
    if (options.json) out.json({ image: to, digest })
    else out.line(`Exported: ${digest}`)
  },
})
