/** The package as npm packs it, installed globally from the tarball without a network. */
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, realpathSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { beforeAll, expect, test } from 'vitest'
import { COMMANDS } from '../src/cli/command-list.ts'
import { packageFiles } from '../src/cli/completion/index.ts'
import { run } from './support/reference.ts'
import { temporaryFolder } from './support/temporary.ts'

const root = fileURLToPath(new URL('..', import.meta.url))
const metadata = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))

test('package.json lists every man page, since npm links only those of a list', async () => {
  const pages = [...(await packageFiles(COMMANDS)).keys()].filter((path) => path.startsWith('man/'))
  expect(pages.length).toBeGreaterThan(50)
  expect(metadata.man).toEqual(pages.map((path) => `./dist/${path}`).sort())
})

let prefix: string
let work: string
beforeAll(() => {
  work = temporaryFolder()
  const npm = (...args: string[]) => run('npm', [...args, '--offline', '--no-audit', '--no-fund', '--loglevel=error'])
  npm('pack', root, '--ignore-scripts', '--pack-destination', work)
  run('tar', ['-x', '-f', `ostree-ts-${metadata.version}.tgz`], { cwd: work })
  const folder = join(work, 'package')
  // The dependencies are put into the package, so that nothing has to be fetched; without the optional ones.
  const names = Object.keys(metadata.dependencies)
  for (const name of names) {
    mkdirSync(join(folder, 'node_modules', name, '..'), { recursive: true })
    cpSync(realpathSync(join(root, 'node_modules', name)), join(folder, 'node_modules', name), { recursive: true })
  }
  const {
    optionalDependencies: _,
    peerDependencies: __,
    peerDependenciesMeta: ___,
    devDependencies: ____,
    ...rest
  } = metadata
  writeFileSync(join(folder, 'package.json'), JSON.stringify({ ...rest, scripts: {}, bundleDependencies: names }))
  npm('pack', folder, '--pack-destination', work)
  prefix = join(work, 'prefix')
  npm('install', '-g', '--prefix', prefix, join(work, `ostree-ts-${metadata.version}.tgz`))
})

test('the command works, and pulls an image into a directory', () => {
  const command = (...args: string[]) => run(join(prefix, 'bin/ostree-ts'), args, { cwd: work })
  expect(command('--version')).toContain(metadata.version)
  command('init', '--repo=repo', '--mode=bare-user-only')
  const image = `oci:${join(root, 'examples/exampleos')}:1.0`
  expect(command('container', 'image', 'pull', 'repo', image)).toContain(`Wrote: ostree-unverified-image:${image} => `)
  command('checkout', '--repo=repo', '-U', '-H', image, 'rootfs')
  expect(readdirSync(join(work, 'rootfs'))).toContain('usr')
})

test('the man pages are where man looks for them', () => {
  const pages = readdirSync(join(prefix, 'share/man/man1'))
  expect(pages).toContain('ostree-ts-checkout.1')
  expect(pages.length).toBe(metadata.man.length)
})

test('every entry point can be imported', () => {
  const installed = join(prefix, 'lib/node_modules/ostree-ts')
  expect(existsSync(join(installed, 'README.md'))).toBe(true)
  const names = Object.keys(metadata.exports).filter((name) => !['./package.json', './testing'].includes(name))
  const imports = names.map((name) => `await import('${name.replace('.', 'ostree-ts')}')`).join(';')
  run(process.execPath, ['--input-type=module', '-e', imports], { cwd: installed })
})
