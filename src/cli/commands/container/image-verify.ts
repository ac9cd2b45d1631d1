import { listImages, verifyContainerImage } from '../../../container/index.ts'
import { FormatError, OstreeError } from '../../../errors.ts'
import { command } from '../../command.ts'
import { metadataPolicy, processOwner } from '../../container/image-reference.ts'

export const imageVerify = command({
  name: 'container image verify',
  summary: 'Check that stored images match their layers',
  usage: '[IMGREF...]',
  repo: true,
  long: true,
  options: {
    metadata: { type: 'string', arg: 'POLICY', help: 'The metadata policy that the images were pulled with' },
    paths: { type: 'flag', help: 'Print every path that differs' },
    json: { type: 'flag', help: 'Print one JSON object per image, one per line' },
  },
  async run({ repo, args, options, out, err, signal }) {
    const opened = await repo()
    const metadata = metadataPolicy(options.metadata)
    let corrupted = 0
    const refuse = (error: unknown) => {
      // The other images are still to be verified.
      if (args.length > 0 || !(error instanceof OstreeError)) throw error
      err.line(`error: ${error.message}`)
      corrupted++
    }
    const names = args.length === 0 ? await listImages(opened, refuse) : args
    for (const name of names) {
      const verified = verifyContainerImage(opened, name, {
        verbose: options.paths,
        metadata,
        owner: processOwner(),
        onLine: options.json ? undefined : (line, stream) => (stream === 'out' ? out : err).line(line),
        signal,
      })
      const found = await verified.catch(refuse)
      if (found === undefined) continue
      if (!found.ok) corrupted++
      if (!options.json) continue
      const { ok, verified: files, inodeCorrupted, unknownCorrupted } = found
      const wrong = { inodeCorrupted: [...inodeCorrupted], unknownCorrupted: [...unknownCorrupted] }
      out.json({ image: name, ok, verified: files.size, ...wrong })
    }
    if (corrupted > 0) throw new FormatError('image', `Found corruption in images: ${corrupted}`)
  },
})
