// Demonstrates the command, printing each call before it runs: pulls an image with two tags into one file, lists it,
// and checks out the root file system of one tag.
import { spawnSync } from 'node:child_process'
import { rmSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

process.chdir(fileURLToPath(new URL('..', import.meta.url)))

const store = 'demo.sqlite'
const root = 'demo-rootfs'
const image = (tag) => `oci:examples/exampleos:${tag}`

function command(...args) {
  console.log(`\n$ ostree-ts ${args.join(' ')}`)
  const { status } = spawnSync(process.execPath, ['bin/ostree-ts', ...args], { stdio: 'inherit' })
  if (status !== 0) process.exit(status ?? 1)
}

rmSync(store, { force: true })
rmSync(root, { recursive: true, force: true })

command('container', 'image', 'pull', store, image('1.0'))
command('container', 'image', 'pull', store, image('1.0-appliance'))
command('container', 'image', 'list', `--repo=${store}`, '--layers')
command('container', 'image', 'history', `--repo=${store}`, image('1.0'))

command('checkout', `--repo=${store}`, '-U', image('1.0'), root)
command('fsck', `--repo=${store}`)
console.log(
  `\nThe root file system of ${image('1.0')} is in ${root}/. The store is ${store}; remove both when you are done.`,
)
