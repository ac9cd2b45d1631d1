// Prints the paths that differ between two images: node diff-images.mjs REFERENCE REFERENCE
import { openStore } from 'ostree-ts/node'

const [one, other, where = 'images.sqlite'] = process.argv.slice(2)
const store = await openStore(where)
const { added, modified, removed } = await (await store.pull(one)).diff(await store.pull(other))
for (const path of removed) console.log(`D ${path}`)
for (const path of modified) console.log(`M ${path}`)
for (const path of added) console.log(`A ${path}`)
await store.close()
