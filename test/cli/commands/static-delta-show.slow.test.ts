/** `ostree-ts static-delta list` and `show`, with the deltas that two releases of ostree wrote and what they print of them. */
import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { goldenDeltas } from '../../repo/deltas/golden.ts'
import { goldenJson } from '../../support/golden.ts'
import { runInProcess } from '../../support/in-process.ts'
import { temporaryFolder } from '../../support/temporary.ts'

interface Shown {
  readonly title: string
  readonly files: Readonly<Record<string, string>>
  readonly list: string
  readonly show: { readonly rc: number; readonly stdout: string; readonly stderr: string }
}

const newest = goldenJson<{ deltas: (Omit<Shown, 'title'> & { label: string })[] }>('newest/deltas.json')
const all: Shown[] = [
  ...goldenDeltas.deltas.map(({ description, files_b64, list, show: [stdout, stderr, rc] }) => ({
    title: `2022.7: ${description}`,
    files: files_b64,
    list,
    show: { stdout, stderr, rc },
  })),
  ...newest.deltas.map(({ label, ...rest }) => ({ ...rest, title: `2026.4: ${label}` })),
]

describe('a delta that ostree wrote is listed and shown as ostree does', () => {
  const root = temporaryFolder()
  test.each(all)('$title', async ({ title, files, list, show }) => {
    const here = join(root, title.replaceAll(/\W/g, '-'))
    const repo = `--repo=${join(here, 'repo')}`
    mkdirSync(here)
    await runInProcess(['init', repo], here)
    for (const [path, content] of Object.entries(files)) {
      mkdirSync(dirname(join(here, 'repo', path)), { recursive: true })
      writeFileSync(join(here, 'repo', path), Buffer.from(content, 'base64'))
    }
    const { stdout } = await runInProcess(['static-delta', 'list', repo], here)
    expect(stdout.trim()).toBe(list.trim())
    const ours = await runInProcess(['static-delta', 'show', repo, list.trim()], here)
    // ostree looks for parts in the superblock beside it, and fails.
    if (show.rc === 0) expect(ours).toEqual({ stdout: show.stdout, stderr: show.stderr, status: show.rc })
    else {
      expect(title).toContain('inline')
      expect(ours).toMatchObject({ stderr: '', status: 0 })
      expect(ours.stdout).toContain(show.stdout)
      expect(ours.stdout).toMatch(/^PartPayloadOps0: openspliceclose=\d+ open=4 /m)
    }
  })
})
