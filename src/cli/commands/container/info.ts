import { formatOstreeImageReference } from '../../../container/index.ts'
import { UsageError } from '../../../errors.ts'
import { command } from '../../command.ts'
import { openSource, parseReference } from '../../container/image-reference.ts'
import { PROXY_OPTIONS } from '../../container/registry-access.ts'

export const info = command({
  name: 'container info',
  summary: 'Print the digest of an image',
  usage: 'IMGREF',
  repo: false,
  options: { ...PROXY_OPTIONS, json: { type: 'flag', help: 'Print one JSON object' } },
  async run({ args, options, out, signal }) {
    const [text, ...more] = args
    if (text === undefined || more.length > 0) throw new UsageError('One IMGREF must be specified')
    const image = parseReference(text)
    await using source = await openSource(image.imgref, options, signal)
    const { manifestDigest, manifest } = source
    const name = formatOstreeImageReference(image)
    if (options.json) out.json({ image: name, manifestDigest, manifest })
    else out.line(`${name} digest: ${manifestDigest}`)
  },
})
