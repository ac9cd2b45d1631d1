import { parseImageReference, queryImage } from '../../../container/index.ts'
import { canonicalJson } from '../../../container/internal.ts'
import { NotFoundError, UsageError } from '../../../errors.ts'
import { command } from '../../command.ts'

export const imageMetadata = command({
  name: 'container image metadata',
  summary: 'Print the manifest or configuration of an image',
  usage: 'IMGREF',
  repo: true,
  options: {
    config: { type: 'flag', help: 'Print the configuration instead of the manifest' },
  },
  async run({ repo, args, options, out }) {
    const [text, ...more] = args
    if (text === undefined || more.length > 0) throw new UsageError('One IMGREF must be specified')
    const image = await queryImage(await repo(), parseImageReference(text))
    if (image === undefined) throw new NotFoundError(text, 'No such image')
    out.write(canonicalJson(options.config ? image.configuration : image.manifest))
  },
})
