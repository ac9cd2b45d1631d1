import {
  listImages,
  parseImageReference,
  queryImage,
  removeImage,
  verifyContainerImage,
} from '../../../container/index.ts'
import { FormatError, UsageError } from '../../../errors.ts'
import { inodeOfObject } from '../../../repo/local.ts'
import { type CommandContext, command } from '../../command.ts'
import { processOwner } from '../../container/image-reference.ts'
import { analyzeInodes, inodesAsJson } from '../../container/inode-report.ts'
import { openRepo } from '../../local-repo.ts'
import type { OptionTable } from '../../options.ts'
import { sysrootRepo } from '../../sysroot.ts'
import { writeFile } from '../../values.ts'

const OPTIONS = {
  sysroot: { type: 'string', arg: 'PATH', help: 'Root directory of the system' },
  'dry-run': { type: 'flag', help: 'Only report the damage' },
  verbose: { type: 'flag', short: 'v', help: 'Print every path that differs' },
  'write-result-to': { type: 'string', arg: 'FILE', help: 'Write the result to FILE as JSON' },
} as const satisfies OptionTable

/** Verifies images only when inodes collide, because the bug that this command repairs needs such a collision. */
export const repairCommand = command({
  name: 'provisional-repair repair',
  summary: 'Remove images damaged by inode collisions, so that they are fetched again',
  usage: '',
  repo: false,
  long: true,
  options: OPTIONS,
  async run(context) {
    const { args, options, out, signal } = context
    const { sysroot } = options
    if (sysroot === undefined || args.length > 0) throw new UsageError('--sysroot must be specified')
    await using repo = await openRepo(sysrootRepo(sysroot))
    const found = await analyzeInodes(repo, out, signal)
    const { inode32, inode64, collisions } = found
    out.line(`Inodes: ${inode32} of 32 bits, ${inode64} of 64 bits, ${collisions.length} collisions`)
    const corrupted = collisions.length === 0 ? [] : await findCorrupted(context, repo, new Set(collisions))
    const file = options['write-result-to']
    if (file !== undefined) writeFile(file, resultAsJson(inodesAsJson(found), corrupted))
    if (collisions.length === 0) out.line('OK no colliding inodes found')
    else if (options['dry-run']) {
      if (corrupted.length > 0) throw new FormatError('image', `Found corruption in images: ${corrupted.length}`)
      out.line('OK no corruption found')
    } else {
      for (const name of corrupted) {
        out.line(`Flushing cached state for corrupted merged image: ${name}`)
        await removeImage(repo, parseImageReference(name))
      }
    }
  },
})

/** Verifies all stored images. @returns the names of those that are damaged */
async function findCorrupted(
  { options, out, err, signal }: CommandContext<typeof OPTIONS>,
  repo: Awaited<ReturnType<typeof openRepo>>,
  collisions: ReadonlySet<bigint>,
): Promise<string[]> {
  const corrupted: string[] = []
  for (const name of await listImages(repo)) {
    const image = parseImageReference(name)
    const state = await queryImage(repo, image)
    if (state === undefined) continue
    const { ok } = await verifyContainerImage(repo, image, {
      state,
      isColliding: (object) => collisions.has(inodeOfObject(repo, object)),
      verbose: options.verbose,
      owner: processOwner(),
      onLine: (line, stream) => (stream === 'out' ? out : err).line(line),
      signal,
    })
    if (!ok) corrupted.push(name)
  }
  return corrupted
}

/**
 * Formats the result as canonical JSON. The two members about deployments are always false, as these are not checked.
 */
function resultAsJson(inodes: string, corrupted: readonly string[]): string {
  const images = JSON.stringify(corrupted)
  const members = [`"booted-is-likely-corrupted":false`, `"inodes":${inodes}`]
  members.push(`"likely-corrupted-container-image-merges":${images}`, `"staged-is-likely-corrupted":false`)
  return `{${members.join(',')}}`
}
