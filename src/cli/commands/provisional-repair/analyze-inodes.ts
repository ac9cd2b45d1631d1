import { UsageError } from '../../../errors.ts'
import { command } from '../../command.ts'
import { analyzeInodes, inodesAsJson } from '../../container/inode-report.ts'
import { writeFile } from '../../values.ts'

export const analyzeInodesCommand = command({
  name: 'provisional-repair analyze-inodes',
  summary: 'Find inodes that collide when cut to 32 bits',
  usage: '',
  repo: true,
  long: true,
  options: {
    verbose: { type: 'flag', short: 'v', help: 'Print every colliding inode' },
    'write-result-to': { type: 'string', arg: 'FILE', help: 'Write the result to FILE as JSON' },
  },
  async run({ repo, args, options, out, err, signal }) {
    if (args.length > 0) throw new UsageError(`Unexpected argument ${args[0]}`)
    const found = await analyzeInodes(await repo(), out, signal)
    const { collisions } = found
    if (options.verbose) for (const inode of collisions) out.line(`Inode collision: ${inode}`)
    if (collisions.length === 0) out.line('OK: No colliding objects found.')
    else err.line(`warning: ${collisions.length} potentially colliding inodes found`)
    const file = options['write-result-to']
    if (file !== undefined) writeFile(file, inodesAsJson(found))
  },
})
