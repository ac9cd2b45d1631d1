// Prints one file of an image in a registry, without checking it out:
//     node read-file.mjs docker://HOST/NAME:TAG /etc/os-release [STORE] [--insecure]
import { openStore } from 'ostree-ts/node'

const [reference, path, where = 'images.sqlite'] = process.argv.slice(2)
const store = await openStore(where)
const image = await store.pull(reference, { registry: { insecure: process.argv.includes('--insecure') } })
process.stdout.write(await image.readFile(path))
await store.close()
