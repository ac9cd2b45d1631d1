import { importOstreeTar } from '../../../container/index.ts'
import { UsageError } from '../../../errors.ts'
import { nodeFiles } from '../../../system/local-files.ts'
import { command } from '../../command.ts'
import { withCounter } from '../../text/object-counter.ts'

async function* standardInput(): AsyncGenerator<Uint8Array, void, undefined> {
  for await (const chunk of process.stdin) yield chunk
}

export const tarImport = command({
  name: 'tar import',
  summary: 'Import a commit from a tar stream',
  usage: '[PATH]',
  repo: true,
  creates: true,
  long: true,
  options: {
    json: { type: 'flag', help: 'Print one JSON object' },
  },
  async run({ repo, args, options, out, err, signal }) {
    const [path, ...more] = args
    if (more.length > 0) throw new UsageError('At most one PATH may be specified')
    const stream = path === undefined ? standardInput() : nodeFiles.stream(path)
    const opened = await repo()
    const commit = await withCounter(err, 'Importing', options.json, (onProgress) =>
      importOstreeTar(opened, stream, { signal, onProgress }),
    )
    if (options.json) out.json({ commit })
    else out.line(`Imported: ${commit}`)
  },
})
