import { manifestDiff } from '../../../container/index.ts'
import { formatManifestDiff, manifestDiffJson } from '../../../container/internal.ts'
import { UsageError } from '../../../errors.ts'
import { command } from '../../command.ts'
import { openSource, parseReference } from '../../container/image-reference.ts'
import { PROXY_OPTIONS } from '../../container/registry-access.ts'

export const compare = command({
  name: 'container compare',
  summary: 'Compare the layers of two images',
  usage: 'IMGREF_OLD IMGREF_NEW',
  repo: false,
  long: true,
  options: { ...PROXY_OPTIONS, json: { type: 'flag', help: 'Print one JSON object' } },
  async run({ args, options, out, signal }) {
    const [from, to, ...more] = args
    if (from === undefined || to === undefined || more.length > 0) {
      throw new UsageError('IMGREF_OLD and IMGREF_NEW must be specified')
    }
    await using old = await openSource(parseReference(from).imgref, options, signal)
    await using next = await openSource(parseReference(to).imgref, options, signal)
    const diff = manifestDiff(old.manifest, next.manifest)
    if (options.json) out.json(manifestDiffJson(diff))
    else out.write(formatManifestDiff(diff))
  },
})
