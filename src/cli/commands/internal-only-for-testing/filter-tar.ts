import { filterTar } from '../../../container/internal.ts'
import { command } from '../../command.ts'

/** Prints a layer as the import filters it before committing it as a tree. */
export const filterTarCommand = command({
  name: 'internal-only-for-testing filter-tar',
  summary: 'Filter a layer from standard input to standard output',
  usage: '',
  repo: false,
  long: true,
  options: {},
  async run({ out, signal }) {
    for await (const bytes of filterTar(process.stdin)) {
      signal.throwIfAborted()
      out.write(bytes)
    }
  },
})
