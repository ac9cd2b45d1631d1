/** Runs the commands that ostree-ext's own command was given, in the same order, and compares what they print and store. */
import { createHash } from 'node:crypto'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeAll, describe, expect, test } from 'vitest'
import { escapeRef } from '../../../src/container/store/ref-escape.ts'
import { createRepo, openRepo } from '../../../src/repo/local.ts'
import {
  COMMANDS,
  commitWords,
  documentsIn,
  type GoldenCommand,
  INCOMPLETE,
  storedRefs,
  TREES,
  writePlainImage,
} from '../../container/ostree-ext-kit.ts'
import { runForBytes } from '../../support/in-process.ts'
import { temporaryFolder } from '../../support/temporary.ts'

/** The folder in which ostree-ext ran, as the names of refs have it. */
const ORIGINAL = escapeRef('oci:/dev/shm/x/g/d').slice(0, -1)

/** What ours gives where it differs. */
const OTHERWISE: Readonly<Record<string, Partial<GoldenCommand>>> = {
  // The help has the form of ostree's own.
  'prune-images, dry': { stdout: expect.stringMatching(/--sysroot=(.|\n)*--and-layers(.|\n)*--full/) },
  // Wrong arguments give status 1, as those of ostree.
  'bad transport': { rc: 1, stderr: "error: Unknown transport 'nosuch'" },
  // Ours has no process that opens the image, and names the missing directory.
  'pull of nothing': { stderr: 'Error: Preparing import\nFetching manifest\nno such file' },
}

describe('the commands of ostree-ext', () => {
  const folder = temporaryFolder()

  beforeAll(async () => {
    for (const name of ['r', 'u', 'i2']) await (await createRepo(join(folder, name), { mode: 'bare-user' })).close()
    for (const name of TREES) {
      const { words } = commitWords(name, folder)
      expect(await runForBytes(words, folder)).toMatchObject({ status: 0 })
    }
    writePlainImage(join(folder, 'd'))
    for (const name of ['re', 're2']) mkdirSync(join(folder, name))
  })

  /** Returns all refs of a repository, with names as if it were in the original folder. */
  async function refsOf(name: string): Promise<Record<string, object | string>> {
    await using repo = await openRepo(join(folder, name))
    const refs: Record<string, object | string> = {}
    const here = escapeRef(`oci:${folder}/d`).slice(0, -1)
    for (const [ref, stored] of Object.entries(await storedRefs(repo))) {
      refs[ref.replace(here, ORIGINAL)] = ref.startsWith('ostree/') ? stored : (stored.commit ?? '')
    }
    return refs
  }

  const whole = (command: GoldenCommand) => !command.title.endsWith(` ${INCOMPLETE}`)

  test.each(COMMANDS.filter(whole).map((golden) => [golden.title, golden] as const))(
    'do and print what the original does and prints: %s',
    async (title, golden) => {
      const { argv, rc, stdout, stderr, stdout_sha256, image, refs } = { ...golden, ...OTHERWISE[title] }
      const words = argv.map((word) => word.replace('$W', folder))
      const result = await runForBytes(words, folder)
      const text = new TextDecoder().decode(result.stdout).replaceAll(folder, '$W')
      expect(result.status, result.stderr).toBe(rc)
      if (stdout_sha256 === undefined) expect(comparable(title, text)).toEqual(comparable(title, stdout ?? ''))
      else expect(createHash('sha256').update(result.stdout).digest('hex')).toBe(stdout_sha256)
      if (argv[1] === 'export') writeFileSync(join(folder, 't.tar'), result.stdout)
      const errors = result.stderr.replaceAll(folder, '$W')
      if (rc === 0) expect(errors).toBe(stderr)
      else for (const cause of stderr.replace(/^Error/, 'error').split('\n')) expect(errors).toContain(cause)
      if (refs !== undefined) expect(await refsOf(argv.includes('unencapsulate') ? 'u' : 'i2')).toEqual(refs)
      if (image !== undefined) {
        const { index, manifest, config } = documentsIn((words.at(-1) ?? '').replace(/^oci:|:t$/g, ''))
        expect(config).toBe(image.config)
        expect(manifest).toBe(image.manifest)
        expect(index).toEqual(image.index)
      }
    },
  )
})

/** The order of images is random in the original, and so are not the blanks around the columns of a table. */
function comparable(title: string, text: unknown): unknown {
  if (typeof text !== 'string') return text
  if (title.startsWith('list')) return text.split('\n').sort()
  // The third heading is misspelled in ostree-ext.
  const corrected = text.replace('CRCEATED BY', 'CREATED BY')
  return title === 'history' ? corrected.split('\n').map((line) => line.trim().split(/ {2,}/)) : text
}
