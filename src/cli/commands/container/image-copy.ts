import { copyImage, formatImageReference } from '../../../container/index.ts'
import { UsageError } from '../../../errors.ts'
import { command } from '../../command.ts'
import { parseReference } from '../../container/image-reference.ts'
import { openRepo } from '../../local-repo.ts'
import { createMissing, removeIfEmpty } from '../../new-repo.ts'
import { withCounter } from '../../text/object-counter.ts'

export const imageCopy = command({
  name: 'container image copy',
  summary: 'Copy a stored image into another repository',
  usage: 'IMGREF [IMGREF_THERE]',
  repo: false,
  long: true,
  options: {
    'src-repo': { type: 'string', arg: 'PATH', help: 'Repository to copy from' },
    'dest-repo': { type: 'string', arg: 'PATH', help: 'Repository to copy to' },
    json: { type: 'flag', help: 'Print one JSON object' },
  },
  async run({ args, options, out, err, signal }) {
    const [text, as, ...more] = args
    if (text === undefined || more.length > 0) throw new UsageError('IMGREF must be specified')
    const from = options['src-repo']
    const to = options['dest-repo']
    if (from === undefined || to === undefined) throw new UsageError('--src-repo and --dest-repo must be specified')
    const image = parseReference(text).imgref
    const name = as === undefined ? image : parseReference(as).imgref
    await using source = await openRepo(from)
    const created = await createMissing(to)
    await using target = created ?? (await openRepo(to))
    try {
      await withCounter(err, 'Copying', options.json, (onProgress) =>
        copyImage(source, image, target, { target: name, signal, onProgress }),
      )
    } finally {
      if (created !== undefined) await removeIfEmpty(created, to)
    }
    if (options.json) out.json({ image: formatImageReference(image), as: formatImageReference(name) })
  },
})
