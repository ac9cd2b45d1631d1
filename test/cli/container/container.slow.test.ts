import { existsSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { gunzipSync } from 'node:zlib'
import { beforeAll, describe, expect, test } from 'vitest'
import { readInRoot } from '../../../src/cli/container/registry-access.ts'
import { type ImageProxyConfig, mergeDefaultContainerProxyOpts } from '../../../src/container/index.ts'
import { globalAuthfileCandidates } from '../../../src/container/registry/proxy-config.ts'
import { unpack } from '../../container/golden-images.ts'
import { BuiltCommand, type RunResult } from '../../support/built-command.ts'
import { goldenBytes } from '../../support/golden.ts'
import { temporaryFolder } from '../../support/temporary.ts'

const folder = temporaryFolder('disk')
const OLD = 'oci:old:1'
const NEW = 'oci:new:1'
let program: BuiltCommand

/** Unpacks a golden image into a directory, as an OCI layout with the tag `1`. */
function layout(name: string, at: string): void {
  for (const [path, bytes] of unpack(gunzipSync(goldenBytes(`container/${name}.tar.gz`)))) {
    const file = join(folder, at, path)
    mkdirSync(join(file, '..'), { recursive: true })
    if (path.endsWith('index.json')) {
      const index = JSON.parse(new TextDecoder().decode(bytes))
      for (const entry of index.manifests) entry.annotations = { 'org.opencontainers.image.ref.name': '1' }
      writeFileSync(file, JSON.stringify(index))
    } else if (!path.endsWith('/')) writeFileSync(file, bytes)
  }
}

function run(...args: string[]): RunResult {
  return program.run(['container', ...args], folder)
}

function ok(...args: string[]): string {
  const { rc, stdout, stderr } = run(...args)
  expect({ rc, stderr }).toEqual({ rc: 0, stderr: '' })
  return stdout
}

function repo(name: string): string {
  const path = join(folder, `${name}.sqlite`)
  ok('image', 'pull', path, OLD)
  return path
}

beforeAll(async () => {
  program = await BuiltCommand.build({ container: true })
  layout('oci-chunked', 'old')
  layout('oci-chunked-update', 'new')
}, 120_000)

describe('`container image pull` (case K2)', () => {
  test('it prints the needed layers and the merge commit, and `No changes` when it is repeated', () => {
    const path = join(folder, 'pull.sqlite')
    const first = ok('image', 'pull', path, OLD)
    const [status, wrote] = first.split('\n')
    expect(status).toMatch(/^layers already present: 0; layers needed: 3 \(\S+\u00a0kB\)$/)
    const merge = /^Wrote: ostree-unverified-image:oci:old:1 => ([0-9a-f]{64})$/.exec(wrote ?? '')?.[1]
    expect(merge).toBeDefined()

    const again = ok('image', 'pull', path, OLD, '--ostree-digestfile', 'digest')
    expect(again).toBe(`No changes in ostree-unverified-image:oci:old:1 => ${merge}\n`)
    expect(readFileSync(join(folder, 'digest'), 'utf8')).toBe(merge)
  })

  test('a missing SQLite file is created, and a missing directory is not, as an argument and with `--repo`', () => {
    for (const [i, place] of [['x0.sqlite'], ['--repo=x1.sqlite'], ['--repo', 'x2.sqlite']].entries()) {
      expect(ok('image', 'pull', ...place, OLD)).toContain('\nWrote: ostree-unverified-image:oci:old:1 => ')
      expect(ok('image', 'list', '--repo', `x${i}.sqlite`)).toBe('oci:old:1\n')
    }
    for (const place of [['missing'], ['--repo=missing']]) {
      const { rc, stderr } = run('image', 'pull', ...place, OLD)
      expect(rc).toBe(1)
      expect(stderr).toMatch(/^error: opening repo: opendir\(.*missing\): No such file or directory\n$/)
    }
    expect(existsSync(join(folder, 'missing'))).toBe(false)
  })

  test('`--check` writes the manifest of a newer image, and no file without one', () => {
    const path = repo('check')
    rmSync(join(folder, 'old'), { recursive: true })
    layout('oci-chunked-update', 'old')
    expect(ok('image', 'pull', path, OLD, '--check', 'manifest.json')).toBe('')
    expect(JSON.parse(readFileSync(join(folder, 'manifest.json'), 'utf8')).layers).toHaveLength(3)
    const lines = ok('image', 'pull', path, OLD).split('\n')
    expect(lines.slice(0, 4)).toEqual([
      expect.stringMatching(/^Total new layers: 3 {5}Size: /),
      expect.stringMatching(/^Removed layers: {3}2 {5}Size: /),
      expect.stringMatching(/^Added layers: {5}2 {5}Size: /),
      expect.stringMatching(/^layers already present: 1; layers needed: 2 /),
    ])
    rmSync(join(folder, 'old'), { recursive: true })
    layout('oci-chunked', 'old')
    ok('image', 'pull', path, OLD)
    ok('image', 'pull', path, OLD, '--check', 'none.json')
    expect(existsSync(join(folder, 'none.json'))).toBe(false)
  })
})

describe('`container image plan`', () => {
  test('it prints what a pull would fetch, reuse and remove, and does not change the repository', () => {
    const path = repo('plan')
    const first = ok('image', 'plan', path, 'oci:new:1').split('\n')
    expect(first[0]).toBe('oci:new:1 42.0')
    expect(first.slice(2, 6).map((line) => line.split(/\s+/)[0])).toEqual(['ACTION', 'fetch', 'fetch', 'reuse'])
    expect(first.slice(6)).toEqual([
      expect.stringMatching(/^fetch: 2 layers, [\d.]+\u00a0kB$/),
      expect.stringMatching(/^reuse: 1 layers, [\d.]+\u00a0(?:kB|bytes)$/),
      '',
    ])

    const json = JSON.parse(ok('image', 'plan', path, OLD, '--json'))
    expect(json).toMatchObject({ changed: false, fetchBytes: 0, removed: [] })
    rmSync(join(folder, 'old'), { recursive: true })
    layout('oci-chunked-update', 'old')
    const update = JSON.parse(ok('image', 'plan', path, OLD, '--json'))
    expect(update).toMatchObject({ changed: true, diff: { n_added: 2, n_removed: 2 } })
    expect(update.removed).toHaveLength(2)
    expect(ok('image', 'plan', path, OLD)).toContain('remove: 2 layers no longer needed\n')
    // It does not record the newer image in the repository, unlike a pull and a check.
    expect(ok('image', 'plan', path, OLD, '--json')).toContain('"changed":true')
    rmSync(join(folder, 'old'), { recursive: true })
    layout('oci-chunked', 'old')
  })
})

describe('`container image remove` and `container image prune-…` (case K2)', () => {
  test('`remove` removes images and layers that only they need, and `--dry-run` prints why others are kept', () => {
    const path = repo('remove')
    ok('image', 'pull', path, NEW)
    const dry = ok('image', 'remove', '--repo', path, OLD, '--dry-run').split('\n')
    expect(dry[0]).toBe('Would remove image oci:old:1')
    expect(dry.slice(1, 3)).toEqual([
      expect.stringMatching(/^Would remove layer sha256:[0-9a-f]{64} \(.*\): nothing needs it$/),
      expect.stringMatching(/^Would remove layer sha256:/),
    ])
    expect(dry.slice(3, 6)).toEqual(Array(3).fill(expect.stringMatching(/^Keeping layer .* needed by oci:new:1$/)))
    expect(ok('image', 'list', '--repo', path)).toBe('oci:new:1\noci:old:1\n')

    expect(ok('image', 'remove', '--repo', path, OLD)).toBe('Removed images: 1 layers: 2\n')
    expect(run('image', 'remove', '--repo', path, OLD, NEW)).toEqual({
      rc: 1,
      stdout: '',
      stderr: 'error: Missing images: oci:old:1\n',
    })
    expect(ok('image', 'list', '--repo', path)).toBe('')
    expect(ok('image', 'prune-layers', '--repo', path, '--dry-run').split('\n')).toHaveLength(4)
    expect(ok('image', 'prune-layers', '--repo', path)).toBe('Removed layers: 3\n')
    expect(ok('image', 'prune-layers', '--repo', path)).toBe('Removed layers: 0\n')
  })

  test('`remove --skip-gc` keeps the layers', () => {
    const path = repo('skip-gc')
    expect(ok('image', 'remove', '--repo', path, OLD, '--skip-gc')).toBe('Removed images: 1\n')
    expect(JSON.parse(ok('image', 'prune-layers', '--repo', path, '--json'))).toEqual({ layers: 3 })
  })

  test('`prune-images` removes images that no origin of a sysroot names', () => {
    const sysroot = join(folder, 'sysroot')
    const path = join(sysroot, 'ostree/repo')
    mkdirSync(join(sysroot, 'ostree/deploy/default/deploy'), { recursive: true })
    expect(program.run(['init', '--repo', path, '--mode=archive'], folder).rc).toBe(0)
    ok('image', 'pull', path, OLD)
    ok('image', 'pull', path, NEW)
    const origin = '[origin]\ncontainer-image-reference=ostree-unverified-image:oci:new:1\n'
    writeFileSync(join(sysroot, 'ostree/deploy/default/deploy/abc.0.origin'), origin)
    const prune = (...args: string[]) => ok('image', 'prune-images', '--sysroot', sysroot, ...args)
    expect(prune('--dry-run')).toBe('Would remove image oci:old:1\n')
    expect(prune()).toBe('Removed: oci:old:1\n')
    expect(prune('--and-layers')).toBe('No unreferenced images.\n')
    const full = prune('--full').split('\n')
    expect(full.slice(0, 2)).toEqual(['Removed images: 0', 'Removed layers: 2'])
    expect(full[2]).toMatch(/^Removed objects: [1-9]\d*$/)
    expect(full[3]).toMatch(/^Freed: [\d.]+\u00a0kB$/)
    expect(prune('--full')).toBe('No content was pruned.\n')
    const both = run('image', 'prune-images', '--sysroot', sysroot, '--full', '--and-layers')
    expect(both).toMatchObject({ rc: 1, stderr: 'error: --and-layers and --full cannot be used together\n' })
    expect(ok('image', 'verify', '--repo', path)).toMatch(/\nOK image oci:new:1 \(verified=\d+\)\n\n$/)
  })
})

describe('commands that describe images (case K2)', () => {
  test('`info`, `compare`, `history`, `metadata` and `clear-cached-update` print what the image has', () => {
    const path = repo('facts')
    const { digest } = JSON.parse(readFileSync(join(folder, 'old/index.json'), 'utf8')).manifests[0]
    expect(ok('info', OLD)).toBe(`ostree-unverified-image:oci:old:1 digest: ${digest}\n`)
    expect(ok('compare', OLD, NEW).split('\n')).toEqual([
      expect.stringMatching(/^Total new layers: 3 {5}Size: [\d.]+\u00a0kB$/),
      expect.stringMatching(/^Removed layers: {3}2 {5}Size: [\d.]+\u00a0kB$/),
      expect.stringMatching(/^Added layers: {5}2 {5}Size: [\d.]+\u00a0kB$/),
      '',
    ])
    const history = ok('image', 'history', '--repo', path, OLD).split('\n')
    expect(history[0]).toMatch(/^ID +SIZE +CREATED BY$/)
    expect(history[1]).toMatch(/^[0-9a-f]{20} .* ostree export of commit 616069c2/)
    expect(ok('image', 'metadata', '--repo', path, OLD)).toMatch(/^\{"annotations":\{.*\}$/)
    expect(JSON.parse(ok('image', 'metadata', '--repo', path, OLD, '--config')).os).toBe('linux')
    expect(ok('image', 'clear-cached-update', '--repo', path, OLD)).toBe('')
    for (const [command, message] of [
      ['history', 'No such image: oci:x'],
      ['metadata', 'No such image'],
      ['clear-cached-update', 'Clearing cached update oci:x: No such image: oci:x'],
    ] as const) {
      expect(run('image', command, '--repo', path, 'oci:x')).toMatchObject({ rc: 1, stderr: `error: ${message}\n` })
    }
  })

  test('`container import` is the same as `container unencapsulate`', () => {
    const path = join(folder, 'unencapsulate')
    expect(program.run(['init', '--repo', path, '--mode=archive'], folder).rc).toBe(0)
    const commit = '616069c200463abca9c1d3adc65b948f1f1d3ddd42bc2c8ea3308535a0e44c24'
    expect(ok('import', '--repo', path, OLD, '--write-ref', 'main')).toBe(`Imported: main => ${commit}\n`)
    expect(ok('unencapsulate', '--repo', path, OLD)).toBe(`Imported: ${commit}\n`)
  })
})

describe('credentials of ostree-ext (case C7)', () => {
  test('they are searched in auth.json of ostree', () => {
    const paths = (uid: number, env = {}) => globalAuthfileCandidates({ uid, env }).map(({ path }) => path)
    expect(paths(0)).toEqual(['/run/ostree/auth.json', '/etc/ostree/auth.json', '/usr/lib/ostree/auth.json'])
    expect(paths(7, { HOME: '/h' })).toEqual(['/h/.cache/ostree/auth.json', '/h/.config/ostree/auth.json'])
    expect(paths(7, { HOME: '/h', XDG_RUNTIME_DIR: '/r', XDG_CONFIG_HOME: '/c' })).toEqual([
      '/r/ostree/auth.json',
      '/c/ostree/auth.json',
    ])
  })

  test('they are read through symbolic links, which do not leave the root', () => {
    const root = join(folder, 'root')
    mkdirSync(join(root, 'etc/ostree'), { recursive: true })
    mkdirSync(join(root, 'usr/lib/ostree'), { recursive: true })
    const read = (path: string) => readInRoot(root, path)?.toString()
    expect(read('/etc/ostree/auth.json')).toBeUndefined()
    writeFileSync(join(root, 'usr/lib/ostree/auth.json'), '{}')
    symlinkSync('../../usr/lib/ostree/auth.json', join(root, 'etc/ostree/auth.json'))
    expect(read('/etc/ostree/auth.json')).toBe('{}')
    symlinkSync('/usr/lib/ostree', join(root, 'etc/absolute'))
    expect(read('/etc/absolute/auth.json')).toBe('{}')
    symlinkSync('../../../../../../usr/lib/ostree/auth.json', join(root, 'etc/up'))
    expect(read('/etc/up')).toBe('{}')
    symlinkSync('ring', join(root, 'etc/ring'))
    expect(() => read('/etc/ring')).toThrow('too many levels of symbolic links')
  })

  test('they are added only to options without credentials (case C8)', async () => {
    const found = async () => new Uint8Array([1])
    const merged: ImageProxyConfig = await mergeDefaultContainerProxyOpts({}, found)
    expect(merged.authData).toEqual(new Uint8Array([1]))
    expect(await mergeDefaultContainerProxyOpts(merged, () => new Uint8Array([2]))).toEqual(merged)
    expect(await mergeDefaultContainerProxyOpts({}, () => undefined)).toEqual({ authAnonymous: true })
    expect(await mergeDefaultContainerProxyOpts({ authfile: 'x' }, found)).toEqual({ authfile: 'x' })
    const both = mergeDefaultContainerProxyOpts({ authfile: 'x', authAnonymous: true }, found)
    await expect(both).rejects.toThrow('Conflicting authentication options')
  })
})

describe('commands that write images (case K2)', () => {
  const COMMIT = '616069c200463abca9c1d3adc65b948f1f1d3ddd42bc2c8ea3308535a0e44c24'

  test('a commit is written as an image and as a tar stream, and imported as the same commit', () => {
    const path = join(folder, 'producer')
    expect(program.run(['init', '--repo', path, '--mode=archive'], folder).rc).toBe(0)
    ok('import', '--repo', path, OLD, '--write-ref', 'main', '--quiet')
    const labels = ['-l', 'foo=old', '-l', 'foo=bar', '--copymeta', 'buildsys.checksum', '--copymeta-opt', 'nope']
    const digest = ok('encapsulate', '--repo', path, 'main', 'oci:made:1', ...labels, '--cmd', '/bin/x')
    expect(digest).toMatch(/^sha256:[0-9a-f]{64}\n$/)
    expect(ok('info', 'oci:made:1')).toBe(`ostree-unverified-image:oci:made:1 digest: ${digest}`)
    expect(ok('export', '--repo', path, 'main', 'oci:again:1', ...labels, '--cmd', '/bin/x')).toBe(digest)
    const back = join(folder, 'back')
    expect(program.run(['init', '--repo', back, '--mode=archive'], folder).rc).toBe(0)
    expect(ok('unencapsulate', '--repo', back, 'oci:made:1')).toBe(`Imported: ${COMMIT}\n`)

    for (const [args, message] of [
      [['-l', 'foo'], "Missing '=' in label foo"],
      [['--copymeta', 'x'], 'Building oci: Could not find commit metadata key: x'],
    ] as const) {
      const failed = run('encapsulate', '--repo', path, 'main', 'oci:fail:1', ...args)
      expect(failed).toMatchObject({ rc: 1, stderr: `error: ${message}\n` })
    }

    const tar = program.run(['tar', 'export', '--repo', path, 'main'], folder)
    expect(tar.rc).toBe(0)
    expect(tar.stdout).toContain(`${COMMIT.slice(2)}.commit`)
    writeFileSync(join(folder, 'commit.tar'), gunzipSync(goldenBytes('container/exampleos-export.tar.gz')))
    const third = join(folder, 'third')
    expect(program.run(['init', '--repo', third, '--mode=archive'], folder).rc).toBe(0)
    const imported = program.run(['tar', 'import', '--repo', third, join(folder, 'commit.tar')], folder)
    expect(imported).toEqual({ rc: 0, stdout: `Imported: ${COMMIT}\n`, stderr: '' })
  })

  test('`--compression` sets the compression of layers', () => {
    const path = join(folder, 'compressed')
    expect(program.run(['init', '--repo', path, '--mode=archive'], folder).rc).toBe(0)
    ok('import', '--repo', path, OLD, '--write-ref', 'main', '--quiet')
    const layerTypes = (layout: string): string[] => {
      const read = (file: string) => JSON.parse(readFileSync(join(folder, layout, file), 'utf8'))
      const [{ digest }] = read('index.json').manifests
      return read(`blobs/${digest.replace(':', '/')}`).layers.map(({ mediaType }: { mediaType: string }) => mediaType)
    }
    for (const kind of ['zstd', 'none', 'gzip']) {
      ok('encapsulate', '--repo', path, 'main', `oci:${kind}:1`, '--compression', kind, '--compression-fast')
      const suffix = kind === 'none' ? '' : `+${kind}`
      expect(layerTypes(kind)).toEqual([`application/vnd.oci.image.layer.v1.tar${suffix}`])
      expect(ok('unencapsulate', '--repo', path, `oci:${kind}:1`)).toBe(`Imported: ${COMMIT}\n`)
    }
    ok('image', 'pull', path, 'ostree-unverified-image:oci:gzip:1', '--quiet')
    mkdirSync(join(folder, 'zstd-out'))
    ok('image', 'reexport', '--repo', path, 'oci:gzip:1', 'oci:zstd-out:1', '--compression=zstd')
    expect(layerTypes('zstd-out')).toEqual(['application/vnd.oci.image.layer.v1.tar+zstd'])
    const failed = run('encapsulate', '--repo', path, 'main', 'oci:fail:1', '--compression=xz')
    expect(failed).toMatchObject({ rc: 1, stderr: "error: Invalid compression 'xz', expected gzip, zstd or none\n" })
  })

  test('`copy`, `reexport` and `replace-detached-metadata` write a stored image', () => {
    const path = repo('out')
    const copy = join(folder, 'copy')
    expect(program.run(['init', '--repo', copy, '--mode=archive'], folder).rc).toBe(0)
    expect(ok('image', 'copy', '--src-repo', path, '--dest-repo', copy, OLD)).toBe('')
    expect(ok('image', 'copy', '--src-repo', path, '--dest-repo', copy, OLD, 'docker://host/a:1')).toBe('')
    expect(ok('image', 'list', '--repo', copy)).toBe('docker://host/a:1\noci:old:1\n')
    mkdirSync(join(folder, 'again-out'), { recursive: true })
    expect(ok('image', 'reexport', '--repo', copy, OLD, 'oci:again-out:1')).toMatch(/^Exported: sha256:[0-9a-f]{64}\n$/)
    expect(ok('compare', OLD, 'oci:again-out:1')).toMatch(/^Total new layers: 3/)
    const pushed = ok('image', 'replace-detached-metadata', '--src', OLD, '--dest', 'oci:bare:1')
    expect(pushed).toMatch(/^Pushed: sha256:[0-9a-f]{64}\n$/)
    const back = join(folder, 'replaced')
    expect(program.run(['init', '--repo', back, '--mode=archive'], folder).rc).toBe(0)
    expect(ok('unencapsulate', '--repo', back, 'oci:bare:1')).toBe(`Imported: ${COMMIT}\n`)
    expect(run('image', 'copy', '--src-repo', path, '--dest-repo', copy, 'oci:x')).toMatchObject({
      rc: 1,
      stderr: 'error: Copying image: No such image: oci:x\n',
    })
  })
})
