import { formatOstreeImageReference, unencapsulate as unencapsulateImage } from '../../../container/index.ts'
import { UsageError } from '../../../errors.ts'
import { parseRefspec } from '../../../repo/index.ts'
import { validateNewRef } from '../../../repo/internal.ts'
import { command } from '../../command.ts'
import { importSettings } from '../../container/image-import.ts'
import { parseReference } from '../../container/image-reference.ts'
import { PROXY_OPTIONS } from '../../container/registry-access.ts'
import { ProgressBar } from '../../text/progress-bar.ts'

export const unencapsulate = command({
  name: 'container unencapsulate',
  summary: 'Fetch the commit that an image contains',
  usage: 'IMGREF',
  repo: true,
  creates: true,
  long: true,
  options: {
    ...PROXY_OPTIONS,
    'write-ref': { type: 'string', arg: 'REF', help: 'Set REF to the commit (default: write no ref)' },
    quiet: { type: 'flag', short: 'q', help: 'Show no progress' },
    json: { type: 'flag', help: 'Print events and result as JSON, one object per line' },
  },
  async run({ repo, args, options, out, err, signal }) {
    const [text, ...more] = args
    if (text === undefined || more.length > 0) throw new UsageError('One IMGREF must be specified')
    const image = parseReference(text)
    const ref = options['write-ref']
    if (ref !== undefined) validateNewRef(parseRefspec(ref))
    const into = await repo()
    const bar = options.quiet || options.json ? undefined : new ProgressBar(err)
    try {
      // Until the ref is set, a prune by another process could delete the commit.
      await using _ = ref === undefined ? undefined : await into.storage.lock('shared')
      const { commit, manifestDigest } = await unencapsulateImage(into, image, {
        ...(await importSettings(image, options)),
        signal,
        onProgress: options.json ? (event) => out.json(event) : bar?.listen,
      })
      bar?.end()
      if (ref !== undefined) await into.setRef(ref, commit)
      if (options.json)
        out.json({ kind: 'result', image: formatOstreeImageReference(image), commit, manifestDigest, ref })
      else out.line(ref === undefined ? `Imported: ${commit}` : `Imported: ${ref} => ${commit}`)
    } finally {
      bar?.end()
    }
  },
})
