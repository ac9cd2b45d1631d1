import { parseImageReference, queryImage } from '../../../container/index.ts'
import { layerHistory } from '../../../container/internal.ts'
import { NotFoundError, UsageError } from '../../../errors.ts'
import { formatSize } from '../../../format-size.ts'
import { command } from '../../command.ts'
import { formatTable } from '../../text/table.ts'

/** Digits of a layer's digest that are printed. */
const DIGEST_DIGITS = 20

export const imageHistory = command({
  name: 'container image history',
  summary: 'Print the layers of an image and the commands that created them',
  usage: 'IMGREF',
  repo: true,
  options: {
    json: { type: 'flag', help: 'Print one JSON array' },
  },
  async run({ repo, args, options, out }) {
    const [text, ...more] = args
    if (text === undefined || more.length > 0) throw new UsageError('One IMGREF must be specified')
    const image = await queryImage(await repo(), parseImageReference(text))
    if (image === undefined) throw new NotFoundError(text, `No such image: ${text}`)
    const layers = layerHistory(image.manifest, image.configuration).map(({ layer: { digest, size }, history }) => ({
      digest,
      size,
      createdBy: history?.created_by ?? '',
    }))
    if (options.json) return out.json(layers)
    const rows = layers.map(({ digest, size, createdBy }) => {
      const hex = digest.slice(digest.indexOf(':') + 1)
      return [hex.slice(0, DIGEST_DIGITS), formatSize(size), createdBy]
    })
    out.write(formatTable([['ID', 'SIZE', 'CREATED BY'], ...rows]))
  },
})
