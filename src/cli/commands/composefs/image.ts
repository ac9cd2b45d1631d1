/** `ostree-ts composefs digest`, `image` and `dump`: the composefs image of a commit. */

import type { Checksum } from '../../../bytes.ts'
import { type ComposefsImage, composefsImage } from '../../../repo/index.ts'
import { writeComposefsFile } from '../../../repo/local.ts'
import { type CommandContext, command } from '../../command.ts'
import { imageRevision } from '../../image-revision.ts'
import type { OptionTable, OptionValues } from '../../options.ts'
import { JSON_OPTION } from '../../values.ts'

const OPTIONS = {
  noverity: { type: 'flag', help: 'Do not bind the content of the files, so that it need not be read' },
} as const satisfies OptionTable

/** Makes the image of the commit that the first argument names. */
async function imageOf(
  { args, repo: openRepo, usageError, signal }: CommandContext<OptionTable>,
  { noverity }: OptionValues<typeof OPTIONS>,
  count: number,
): Promise<{ commit: Checksum; image: ComposefsImage }> {
  const [rev] = args
  if (rev === undefined) throw usageError('COMMIT must be specified')
  if (args.length > count) throw usageError('Too many arguments')
  const repo = await openRepo()
  const commit = await repo.resolve(await imageRevision(repo, rev))
  return { commit, image: await composefsImage(repo, commit, { verity: !noverity, signal }) }
}

export const digest = command({
  name: 'composefs digest',
  summary: 'Print the fs-verity digest of the composefs image of a commit',
  usage: 'COMMIT',
  repo: true,
  long: true,
  options: { ...OPTIONS, ...JSON_OPTION },
  async run(context) {
    const { commit, image } = await imageOf(context, context.options, 1)
    if (context.options.json) context.out.json({ commit, digest: image.digest, size: image.size })
    else context.out.line(image.digest)
  },
})

export const image = command({
  name: 'composefs image',
  summary: 'Write the composefs image of a commit to a file or to standard output',
  usage: 'COMMIT [FILE]',
  repo: true,
  long: true,
  options: OPTIONS,
  async run(context) {
    const { image } = await imageOf(context, context.options, 2)
    const [, file = '-'] = context.args
    if (file !== '-') return writeComposefsFile(image, file)
    for (const chunk of image.bytes()) {
      context.signal.throwIfAborted()
      context.out.write(chunk)
    }
  },
})

export const dump = command({
  name: 'composefs dump',
  summary: 'Print the tree of a commit in the text format of composefs',
  usage: 'COMMIT',
  repo: true,
  long: true,
  options: OPTIONS,
  async run(context) {
    const { image } = await imageOf(context, context.options, 1)
    for (const line of image.dump()) context.out.write(line)
  },
})
