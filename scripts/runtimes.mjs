// Runs the built library and command under other runtimes, which npm installs into a temporary directory: unpacks an image,
// pulls it into a SQLite file and a directory, checks it out, and imports every entry point.
//
//   npm run build && node scripts/runtimes.mjs [node@20 node@22 node@24 bun deno]
import { spawnSync } from 'node:child_process'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { temporaryFolder } from './temporary.mjs'

const root = fileURLToPath(new URL('..', import.meta.url))
const image = `oci:${join(root, 'examples/exampleos')}:1.0`
const wanted = process.argv.length > 2 ? process.argv.slice(2) : ['node@20', 'node@22', 'node@24', 'bun', 'deno']
/** Arguments with which a runtime runs a script. */
const RUN = { node: [], bun: ['run'], deno: ['run', '-A', '--node-modules-dir=manual'] }

const { exports: entries } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
const modules = Object.entries(entries)
  .filter(([name]) => !['./package.json', './testing'].includes(name))
  .map(([, { default: path }]) => pathToFileURL(join(root, path)).href)

const SMOKE = `
import { readFileSync, existsSync } from 'node:fs'
for (const path of ${JSON.stringify(modules)}) await import(path)
const { checkout, createCheckoutTarget, openStore, unpackImage } = await import('${pathToFileURL(join(root, 'dist/node.js')).href}')
const [image, work] = process.argv.slice(-2)
const { entries } = await unpackImage(image, work + '/rootfs')
if (entries === 0 || !readFileSync(work + '/rootfs/etc/passwd', 'utf8').startsWith('root:')) throw new Error('unpackImage')
const failed = []
for (const path of ['directory', 'store.sqlite']) {
  try {
    const store = await openStore(work + '/' + path)
    const stored = await store.pull(image)
    if (!new TextDecoder().decode(await stored.readFile('/etc/os-release')).includes('Example')) throw new Error('readFile')
    await checkout(store.repo, stored.commit, createCheckoutTarget(work + '/' + path + '.out'), { mode: 'user' })
    if (!existsSync(work + '/' + path + '.out/usr/etc/passwd')) throw new Error('checkout')
    await unpackImage(image, work + '/' + path + '.again', { store })
    await store.close()
  } catch (error) {
    failed.push(path + ': ' + error)
  }
}
console.log(failed.length === 0 ? 'ok' : failed.join('\\n'))
process.exit(failed.length === 0 ? 0 : 1)
`

const folder = temporaryFolder('/tmp/ostree-ts-runtimes')
let failures = 0
for (const name of wanted) {
  const [program = ''] = name.split('@')
  const home = join(folder, name)
  mkdirSync(home)
  // Their programs are fetched by scripts of the packages, which npm 11 runs only if they are allowed.
  writeFileSync(join(home, 'package.json'), JSON.stringify({ allowScripts: { node: true, bun: true, deno: true } }))
  const install = ['install', '--prefix', home, '--no-audit', '--no-fund', '--loglevel=error', name]
  const installed = spawnSync('npm', install, { encoding: 'utf8' })
  const bin = join(home, 'node_modules/.bin', program)
  const version = spawnSync(bin, ['--version'], { encoding: 'utf8' })
  if (installed.status !== 0 || version.status !== 0) {
    console.log(`${name}: cannot be installed: ${installed.stderr}${version.stderr ?? version.error}`)
    failures++
    continue
  }
  const script = join(home, 'smoke.mjs')
  writeFileSync(script, SMOKE)
  const run = (...args) => spawnSync(bin, [...RUN[program], ...args], { encoding: 'utf8', cwd: root, timeout: 60_000 })
  const library = run(script, image, home)
  const command = run(join(root, 'bin/ostree-ts'), 'ls', `--repo=${join(home, 'directory')}`, image, '/usr/bin')
  console.log(`${name} (${version.stdout.split('\n')[0]}): library ${library.stdout.trim()}`, library.stderr.trim())
  console.log(`${name}: command ${command.status === 0 ? 'ok' : `${command.stdout}${command.stderr}`}`)
  if (library.status !== 0 || command.status !== 0) failures++
}
process.exitCode = failures === 0 ? 0 : 1
