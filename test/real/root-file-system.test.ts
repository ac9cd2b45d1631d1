import { createHash } from 'node:crypto'
import { lstatSync, mkdtempSync, readdirSync, readFileSync, readlinkSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { describeReference, run } from '../reference.ts'
import { makeRealImage, type RealImage } from './root-file-system.ts'

const ostreeTs = fileURLToPath(new URL('../../bin/ostree-ts', import.meta.url))

/** One line a path: type, mode, owner, target or content. */
function inventory(root: string): Map<string, string> {
  const found = new Map<string, string>()
  const walk = (path: string): void => {
    const stat = lstatSync(`${root}${path}`)
    const kind = stat.isDirectory() ? 'd' : stat.isSymbolicLink() ? 'l' : stat.isFile() ? '-' : '?'
    const mode = kind === 'l' ? '' : (stat.mode & 0o7777).toString(8)
    const detail =
      kind === 'l'
        ? readlinkSync(`${root}${path}`)
        : kind === '-'
          ? createHash('sha256')
              .update(readFileSync(`${root}${path}`))
              .digest('hex')
          : ''
    found.set(path === '' ? '/' : path, `${kind}${mode} ${stat.uid} ${stat.gid} ${detail}`)
    if (kind === 'd') for (const name of readdirSync(`${root}${path}`)) walk(`${path}/${name}`)
  }
  walk('')
  return found
}

/** What the container store documents to change: /etc moves below /usr, and what a boot fills anew stays empty. */
function asStored(image: Map<string, string>): Map<string, string> {
  const stored = new Map<string, string>()
  for (const [path, line] of image) {
    if (/^\/(?:dev|proc|run|sys|tmp)\/./.test(path)) continue
    stored.set(path.replace(/^\/etc(?=\/|$)/, '/usr/etc'), line)
  }
  for (const name of ['/usr/etc/hostname', '/usr/etc/resolv.conf']) {
    if (/^-.* e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855$/.test(stored.get(name) ?? ''))
      stored.delete(name)
  }
  return stored
}

function differences(a: Map<string, string>, b: Map<string, string>): string[] {
  return [...new Set([...a.keys(), ...b.keys()])]
    .filter((path) => a.get(path) !== b.get(path))
    .map((path) => `${path}: ${a.get(path)} | ${b.get(path)}`)
}

const DIRECTORY_MODES = ['archive', 'bare-user', 'bare', 'bare-user-only'] as const

describeReference(['ostree', 'umoci', 'debootstrap'], 'a real root file system', () => {
  const work = mkdtempSync(`${tmpdir()}/ostree-ts-real-`)
  let image: RealImage
  let ref = ''
  const commits = new Map<string, string>()

  beforeAll(() => {
    image = makeRealImage(work)
    for (const store of ['store.sqlite', ...DIRECTORY_MODES]) {
      if (store !== 'store.sqlite') run(ostreeTs, ['init', `--repo=${work}/${store}`, `--mode=${store}`])
      run(ostreeTs, [
        'container',
        'image',
        'pull',
        '--quiet',
        '--metadata=exact',
        `${work}/${store}`,
        `oci:${image.layout}:real`,
      ])
      ref = run(ostreeTs, ['refs', '--list', `--repo=${work}/${store}`, 'ostree/container/image']).trim()
      commits.set(store, run(ostreeTs, ['rev-parse', `--repo=${work}/${store}`, ref]).trim())
    }
  }, 600_000)
  afterAll(() => rmSync(work, { recursive: true, force: true }))

  test('has more than 10,000 files', () => {
    expect(inventory(image.root).size).toBeGreaterThan(10_000)
  })

  test('becomes one commit in every store that can hold all its metadata', () => {
    const whole = ['store.sqlite', 'archive', 'bare-user', 'bare'].map((store) => commits.get(store))
    expect(new Set(whole).size).toBe(1)
  })

  test('checks out as umoci unpacks it, but for the documented changes', () => {
    const target = `${work}/checkout`
    run(ostreeTs, ['checkout', `--repo=${work}/store.sqlite`, ref, target])
    expect(differences(asStored(inventory(image.unpacked)), inventory(target))).toEqual([])
  })
})
