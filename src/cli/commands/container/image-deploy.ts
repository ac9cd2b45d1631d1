import {
  formatOstreeImageReference,
  ImageImporter,
  type ImportResult,
  imageFilteredContentWarning,
  type LayeredImageState,
  lostEntriesWarnings,
  type OstreeImageReference,
  type SignatureSource,
} from '../../../container/index.ts'
import { ORIGIN_GROUP, ORIGIN_IMAGE_KEY, parseTransport } from '../../../container/internal.ts'
import { UsageError, withContext } from '../../../errors.ts'
import { KeyFile } from '../../../keyfile/index.ts'
import type { Repo } from '../../../repo/index.ts'
import { deployCommit, requireStateroot } from '../../../sysroot/index.ts'
import { type CommandContext, command } from '../../command.ts'
import { importSettings } from '../../container/image-import.ts'
import { parseReference } from '../../container/image-reference.ts'
import { PROXY_OPTIONS } from '../../container/registry-access.ts'
import { openRepo } from '../../local-repo.ts'
import type { OptionTable } from '../../options.ts'
import { sysrootRepo } from '../../sysroot.ts'
import { ProgressBar } from '../../text/progress-bar.ts'
import { writeFile } from '../../values.ts'

const OPTIONS = {
  ...PROXY_OPTIONS,
  sysroot: { type: 'string', arg: 'PATH', help: 'Root directory of the system (default: /)' },
  stateroot: { type: 'string', arg: 'NAME', help: 'The stateroot to deploy into (default: default)' },
  imgref: { type: 'string', arg: 'IMGREF', help: 'Image to deploy' },
  image: { type: 'string', arg: 'NAME', help: 'Image to deploy, without its transport' },
  transport: { type: 'string', arg: 'TRANSPORT', help: 'Transport of --image (default: registry)' },
  'no-signature-verification': { type: 'flag', help: 'No effect; excludes --enforce-container-sigpolicy' },
  'enforce-container-sigpolicy': { type: 'flag', help: 'Verify --image by the host policy or --ostree-remote' },
  'ostree-remote': { type: 'string', arg: 'REMOTE', help: 'Require that a key of REMOTE has signed the commit' },
  'target-imgref': { type: 'string', arg: 'IMGREF', help: 'Store the image, and look for updates, under this name' },
  'no-imgref': { type: 'flag', help: 'Do not write a ref for the image' },
  karg: { type: 'strings', arg: 'ARG', help: 'Kernel argument; replaces those of the previous deployment' },
  'write-commitid-to': { type: 'string', arg: 'PATH', help: 'Write the checksum of the merge commit to PATH' },
  quiet: { type: 'flag', short: 'q', help: 'Show no progress' },
  json: { type: 'flag', help: 'Print one JSON object' },
} as const satisfies OptionTable

type Context = CommandContext<typeof OPTIONS>

export const imageDeploy = command({
  name: 'container image deploy',
  summary: 'Fetch an image and deploy it to a sysroot',
  usage: '',
  repo: false,
  long: true,
  options: OPTIONS,
  async run(context) {
    const { args, options, out, err } = context
    const { sysroot = '/', stateroot = 'default', karg } = options
    if (args.length > 0) throw new UsageError(`Unexpected argument ${args[0]}`)
    const image = imageOf(options)
    const target = options['target-imgref'] === undefined ? undefined : parseReference(options['target-imgref'])
    const origin = KeyFile.parse('', 'origin')
    origin.set(ORIGIN_GROUP, ORIGIN_IMAGE_KEY, formatOstreeImageReference(target ?? image))
    try {
      await using repo = await openRepo(sysrootRepo(sysroot))
      requireStateroot(sysroot, stateroot)
      const state = await fetch(context, repo, image, target)
      const commit = state.mergeCommit
      const kernelArgs = karg.length === 0 ? undefined : karg
      const { deployment, path, etc } = await deployCommit(sysroot, repo, { stateroot, commit, origin, kernelArgs })
      const warning = imageFilteredContentWarning('filteredFiles' in state ? state.filteredFiles : undefined)
      if (warning !== undefined && !options.json) err.line(warning)
      const lost = lostEntriesWarnings('lostEntries' in state ? state.lostEntries : undefined)
      if (!options.json) for (const line of lost) err.line(`warning: ${line}`)
      const file = options['write-commitid-to']
      if (file !== undefined) writeFile(file, commit)
      if (options.json) out.json({ commit, stateroot, serial: deployment.serial, path, etc })
    } catch (error) {
      throw withContext('Performing deployment', error)
    }
  },
})

/**
 * Returns the image to deploy: `--imgref`, or else one made from `--image` and the related options.
 * @throws {UsageError} when neither or both are given, or options exclude each other
 */
function imageOf(options: Context['options']): OstreeImageReference {
  const { imgref, image, transport = 'registry' } = options
  const enforced = options['enforce-container-sigpolicy']
  if (enforced && options['no-signature-verification']) {
    throw new UsageError('--no-signature-verification and --enforce-container-sigpolicy cannot be used together')
  }
  if (imgref !== undefined && image === undefined) return parseReference(imgref)
  if (imgref !== undefined || image === undefined || image === '') {
    throw new UsageError('One of --imgref and --image must be specified')
  }
  const remote = options['ostree-remote']
  const signed: SignatureSource = remote === undefined ? { kind: 'policy' } : { kind: 'remote', remote }
  const sigverify = enforced ? signed : ({ kind: 'policy-allow-insecure' } as const)
  return { sigverify, imgref: { transport: parseTransport(transport), name: image } }
}

async function fetch(
  { options, err, signal }: Context,
  repo: Repo,
  image: OstreeImageReference,
  target: OstreeImageReference | undefined,
): Promise<LayeredImageState | ImportResult> {
  const bar = options.quiet || options.json ? undefined : new ProgressBar(err)
  try {
    await using importer = new ImageImporter(repo, image, {
      ...(await importSettings(image, options)),
      requireBootable: true,
      noImgref: options['no-imgref'],
      target,
      signal,
      onWarning: (message) => err.line(`warning: ${message}`),
      onProgress: bar?.listen,
    })
    const prepared = await importer.prepare()
    // `await` is needed, because leaving this block closes the image.
    return prepared.kind === 'already-present' ? prepared.state : await importer.import(prepared.prepared)
  } finally {
    bar?.end()
  }
}
